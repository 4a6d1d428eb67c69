/** A plain WebSocket. */
import { CLOSE } from '../../server/protocol/close-codes.js';
import type { WelcomeInfo } from '../../server/protocol/message.js';
import { HubError } from './hub-error.js';
import {
  ACK_TIMEOUT_MS,
  type Ack,
  type Link,
  type LinkListener,
  type LinkOptions,
  readAck,
  refusal,
} from './link.js';
import type { HubMessage } from './types.js';

/** After so long without a frame the hub is asked whether it is there: a browser does not see pings. */
const SILENCE_MS = 30_000;
const PACKAGE = 'ws';

/** The part of the standard that is used, and that the package `ws` has as well. */
interface Socket {
  onopen: (() => void) | null;
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

interface Pending {
  readonly done: (ack: Ack) => void;
  readonly timer: ReturnType<typeof setTimeout>;
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
  readonly #listener: LinkListener;
  readonly #pending = new Map<number, Pending>();
  #nextId = 1;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: Socket, token: string | undefined, listener: LinkListener) {
    this.#socket = socket;
    this.#listener = listener;
    socket.onopen = () => {
      if (token !== undefined) this.authenticate(token, (ack) => ack.error && this.#refused(ack.error));
    };
    socket.onmessage = ({ data }) => {
      this.#listen();
      this.#take(JSON.parse(String(data)) as Frame);
    };
    // What it says is said by the close event that follows.
    socket.onerror = () => undefined;
    socket.onclose = ({ code, reason }) => {
      const { drain, slow, noPong, tooMany } = CLOSE;
      const known = Object.values(CLOSE).find((close) => close.code === code);
      const final = known !== undefined && ![drain, slow, noPong, tooMany].some((close) => close === known);
      this.#ended(
        new HubError(known?.name ?? 'unreachable', reason || `WebSocket closed with ${code}`),
        final,
      );
    };
  }

  request(operation: string, body: object, done: (ack: Ack) => void): void {
    const id = this.#nextId++;
    const timer = setTimeout(() => {
      this.#pending.delete(id);
      done(refusal('timeout', `the hub did not answer ${operation}`));
    }, ACK_TIMEOUT_MS);
    this.#pending.set(id, { done, timer });
    // Here `id` is the request's; a publication's has another name.
    const { id: messageId, ...rest } = body as { id?: string };
    this.#socket.send(JSON.stringify({ ...rest, messageId, op: operation, id }));
  }

  release(_reading: unknown, topics: readonly string[]): void {
    if (topics.length > 0) this.request('unsubscribe', { topics }, () => undefined);
  }

  authenticate(token: string, done: (ack: Ack) => void): boolean {
    this.request('auth', { token }, done);
    return true;
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
    else if (op === 'welcome') this.#listener.welcome(frame as unknown as WelcomeInfo);
    else if (op === 'gap' || op === 'degraded' || op === 'drain') this.#listener[op](frame as never);
  }

  #acknowledged(frame: Frame): void {
    const pending = this.#pending.get(frame.id ?? 0);
    this.#pending.delete(frame.id ?? 0);
    clearTimeout(pending?.timer);
    pending?.done(readAck(frame as unknown as Record<string, unknown>));
  }

  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      // Nobody reads this topic, and to stop reading it is always allowed: all that counts is an answer.
      this.request('unsubscribe', { topics: ['system:-'] }, ({ error }) => {
        if (error?.code === 'timeout') this.#refused(error);
      });
    }, SILENCE_MS);
  }

  #refused(error: HubError): void {
    this.#socket.close();
    this.#ended(error, false);
  }

  #ended(error: HubError, final: boolean): void {
    this.#stop();
    this.#listener.closed(error, final);
  }

  #stop(): void {
    clearTimeout(this.#silence);
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const { done, timer } of pending) {
      clearTimeout(timer);
      done(refusal('unreachable', 'the connection was lost before the hub answered'));
    }
  }
}
