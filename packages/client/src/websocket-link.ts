/** A plain WebSocket. */
import type { EventFrame } from '@axiom-streaming/protocol/frames';
import type { OperationName, Requests } from '@axiom-streaming/protocol/requests';
import { HubError } from './hub-error.js';
import type { Done, Link, LinkListener, LinkOptions } from './link.js';
import { isAck, isEvent, parse, readAck } from './wire.js';

/** After this time without a frame the client sends a request to check the hub, as browsers do not see pings. */
const SILENCE_MS = 30_000;
const ANSWER_MS = 10_000;
/** Close codes after which reconnecting cannot help without a change: `bad_request`, `token`, `denied`. */
const FINAL = [4400, 4401, 4403];
/** Not a literal in the `import`, so that no bundler includes it in a page. */
const PACKAGE = 'ws';

export async function openWebSocket({ url, token, listener }: LinkOptions): Promise<Link> {
  // Node.js before 22 has no WebSocket; the package has everything that is used of the standard one.
  const { default: Socket }: { default: typeof WebSocket } = globalThis.WebSocket
    ? { default: WebSocket }
    : await import(/* @vite-ignore */ PACKAGE);
  return new WebSocketLink(new Socket(`${url.replace(/^http/, 'ws')}/ws`), token, listener);
}

class WebSocketLink implements Link {
  readonly transport = 'websocket';
  readonly #socket: WebSocket;
  readonly #token: string | undefined;
  readonly #listener: LinkListener;
  readonly #pending = new Map<unknown, (ack: unknown) => void>();
  #nextId = 1;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: WebSocket, token: string | undefined, listener: LinkListener) {
    this.#socket = socket;
    this.#token = token;
    this.#listener = listener;
    socket.onmessage = ({ data }) => {
      this.#listen();
      this.#take(parse(data));
    };
    // The close event that follows says the same.
    socket.onerror = () => undefined;
    socket.onclose = ({ code, reason }) => {
      this.#ended(
        new HubError(reason || 'unreachable', `WebSocket closed with ${code}`),
        FINAL.includes(code),
      );
    };
  }

  request<Name extends OperationName>(operation: Name, body: Requests[Name], done: Done<Name>): void {
    const id = this.#nextId++;
    this.#pending.set(id, (ack) => done(readAck(ack, operation)));
    // Here `id` is that of the request; a publication's id has another name.
    const { id: messageId, ...rest } = { id: undefined, ...body };
    this.#socket.send(JSON.stringify({ ...rest, messageId, op: operation, id }));
  }

  close(): void {
    this.#stop();
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    this.#socket.close();
  }

  #take(frame: unknown): void {
    if (isAck(frame)) {
      const done = this.#pending.get(frame.id);
      this.#pending.delete(frame.id);
      done?.(frame);
    } else if (isEvent(frame)) {
      if (frame.op === 'welcome') this.#welcomed(frame);
      else this.#listener.event(frame);
    }
  }

  /** With a token, the connection is ready once the hub has accepted it: earlier requests would be refused. */
  #welcomed(frame: EventFrame & { readonly op: 'welcome' }): void {
    const token = this.#token;
    if (!token) this.#listener.event(frame);
    else
      this.request('auth', { token }, (ack) => {
        if (ack.ok) this.#listener.event({ ...frame, streams: ack.streams });
        else this.#refused(ack.error);
      });
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      const error = new HubError('timeout', 'no answer');
      this.#silence = setTimeout(() => this.#refused(error), ANSWER_MS);
      // Nobody reads this topic, and unsubscribing is always allowed: only the answer matters.
      this.request('unsubscribe', { topics: ['system:-'] }, () => undefined);
    }, SILENCE_MS);
  }

  #refused(error: HubError): void {
    this.#socket.close();
    this.#ended(error);
  }

  #ended(error: HubError, final?: boolean): void {
    this.#stop();
    this.#listener.closed(error, final);
  }

  #stop(): void {
    clearTimeout(this.#silence);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const done of pending) done({ code: 'unreachable', message: 'connection lost' });
  }
}
