/** A plain WebSocket. */
import type { WelcomeInfo } from '@axiom-streaming/protocol/message';
import { HubError } from './hub-error.js';
import { type Ack, type Link, type LinkListener, type LinkOptions, readAck } from './link.js';
import type { HubMessage } from './types.js';

/** After so long without a frame the hub is asked whether it is there: a browser does not see pings. */
const SILENCE_MS = 30_000;
const ANSWER_MS = 10_000;
/** Close codes after which to come back is of no use before something is changed: `bad_request`, `token`, `denied`. */
const FINAL = [4400, 4401, 4403];
const PACKAGE = 'ws';

/** The part of the standard that is used, and that the package `ws` has as well. */
interface Socket {
  onmessage: ((event: { data: unknown }) => void) | null;
  onclose: ((event: { code: number; reason: string }) => void) | null;
  onerror: (() => void) | null;
  readonly readyState: number;
  send(text: string): void;
  close(): void;
}

interface Frame {
  readonly op: keyof LinkListener | 'ack';
  readonly id?: number;
  readonly cursor: string;
  readonly message: HubMessage;
}

export async function openWebSocket({ url, token, listener }: LinkOptions): Promise<Link> {
  const { WebSocket = undefined } = globalThis as { WebSocket?: new (url: string) => Socket };
  // Node.js before 22 has none of its own.
  const Class =
    WebSocket ??
    ((await import(/* @vite-ignore */ PACKAGE)) as { default: new (url: string) => Socket }).default;
  return new WebSocketLink(new Class(`${url.replace(/^http/, 'ws')}/ws`), token, listener);
}

class WebSocketLink implements Link {
  readonly transport = 'websocket';
  readonly #socket: Socket;
  readonly #token: string | undefined;
  readonly #listener: LinkListener;
  readonly #pending = new Map<number, (ack: Ack) => void>();
  #nextId = 1;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Socket, token: string | undefined, listener: LinkListener) {
    this.#socket = socket;
    this.#token = token;
    this.#listener = listener;
    socket.onmessage = ({ data }) => {
      this.#listen();
      this.#take(JSON.parse(String(data)) as Frame);
    };
    // What it says is said by the close event that follows.
    socket.onerror = () => undefined;
    socket.onclose = ({ code, reason }) => {
      this.#ended(
        new HubError(reason || 'unreachable', `WebSocket closed with ${code}`),
        FINAL.includes(code),
      );
    };
  }

  request(operation: string, body: object, done: (ack: Ack) => void): void {
    const id = this.#nextId++;
    this.#pending.set(id, done);
    // Here `id` is the request's; a publication's has another name.
    const { id: messageId, ...rest } = body as { id?: string };
    this.#socket.send(JSON.stringify({ ...rest, messageId, op: operation, id }));
  }

  close(): void {
    this.#stop();
    this.#socket.onclose = null;
    this.#socket.onmessage = null;
    this.#socket.close();
  }

  #take(frame: Frame): void {
    const { op } = frame;
    if (op === 'message') this.#listener.message(frame.message, frame.cursor);
    else if (op === 'position') this.#listener.position(frame.cursor);
    else if (op === 'ack') this.#acknowledged(frame);
    else if (op === 'welcome') this.#welcomed(frame as never);
    else if (op !== 'closed') this.#listener[op]?.(frame as never);
  }

  /** With a token the connection is there when the hub has taken it: what is asked before would be refused. */
  #welcomed(info: WelcomeInfo): void {
    const token = this.#token;
    if (!token) this.#listener.welcome(info);
    else
      this.request('auth', { token }, (ack) => {
        if (ack.error) this.#refused(ack.error);
        else this.#listener.welcome({ ...info, streams: ack.streams as WelcomeInfo['streams'] });
      });
  }

  #acknowledged(frame: Frame): void {
    const id = frame.id ?? 0;
    const done = this.#pending.get(id);
    this.#pending.delete(id);
    done?.(readAck(frame as unknown as Record<string, unknown>));
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      const error = new HubError('timeout', 'no answer');
      this.#silence = setTimeout(() => this.#refused(error), ANSWER_MS);
      // Nobody reads this topic, and to stop reading it is always allowed: all that counts is an answer.
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
    const error = new HubError('unreachable', 'the connection was lost');
    for (const done of pending) done({ ok: false, error });
  }
}
