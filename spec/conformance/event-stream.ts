import { authorization } from '../support/credentials.js';

/** One block of an event stream that carries data. */
export interface StreamEvent {
  /** `message` where the block has no `event:` line. */
  readonly event: string;
  readonly id: string | undefined;
  readonly data: string;
}

/**
 * An event stream read as bytes, without a client library: so a test sees what is on the wire, and decides itself what
 * to send as `Last-Event-ID`. Ends with {@link close}.
 */
export class EventStream {
  readonly status: number;
  readonly headers: Headers;
  /** Everything that has come, as text. */
  raw = '';
  ended = false;
  readonly #abort: AbortController;

  private constructor(response: Response, abort: AbortController) {
    this.status = response.status;
    this.headers = response.headers;
    this.#abort = abort;
    void this.#read(response);
  }

  /** Resolves when the headers have come, whatever the status. @param body makes it a POST */
  static async open(url: string, headers: Record<string, string> = {}, body?: string): Promise<EventStream> {
    const abort = new AbortController();
    const response = await fetch(url, {
      headers: { Accept: 'text/event-stream', ...authorization(), ...headers },
      signal: abort.signal,
      ...(body === undefined ? {} : { method: 'POST', body }),
    });
    return new EventStream(response, abort);
  }

  get events(): StreamEvent[] {
    return this.raw.split('\n\n').slice(0, -1).flatMap(parseBlock);
  }

  /** Data of the events of a name, parsed. */
  data<T = Record<string, unknown>>(event: string): T[] {
    return this.events
      .filter((candidate) => candidate.event === event)
      .map(({ data }) => JSON.parse(data) as T);
  }

  /** The whole body as JSON, once it has ended. */
  json(): Record<string, unknown> {
    return JSON.parse(this.raw) as Record<string, unknown>;
  }

  close(): void {
    this.#abort.abort();
  }

  async #read({ body }: Response): Promise<void> {
    const decoder = new TextDecoder();
    try {
      for await (const chunk of body ?? []) this.raw += decoder.decode(chunk as Uint8Array, { stream: true });
    } catch (error) {
      if (!this.#abort.signal.aborted)
        this.raw += `\n\nevent: broken\ndata: ${JSON.stringify(String(error))}\n\n`;
    }
    this.ended = true;
  }
}

function parseBlock(block: string): StreamEvent[] {
  const fields = new Map<string, string>();
  for (const line of block.split('\n')) {
    const colon = line.indexOf(':');
    if (colon < 1) continue;
    const [name, value] = [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, '')];
    const before = fields.get(name);
    fields.set(name, name === 'data' && before !== undefined ? `${before}\n${value}` : value);
  }
  const data = fields.get('data');
  return data === undefined ? [] : [{ event: fields.get('event') ?? 'message', id: fields.get('id'), data }];
}
