/**
 * Answers over HTTP that their clients do not read. A node hands an answer to the kernel as fast as that takes it; what
 * is left waits in the memory of the node until the client reads. Here it is counted, for every route and for Socket.IO's
 * long polling, and bounded in bytes and in time:
 *
 * - While the answers of an address take up more than its share, its further requests are refused before any work is
 *   done for them. So is an answer that was made meanwhile.
 * - Beyond what all may take up together, the connection that has waited for longest is cut.
 * - A connection that takes nothing of its answers for 30 s is cut.
 * - Few requests of one connection may wait behind its first (pipelining).
 *
 * An answer that its client reads costs nothing here. Connections that last (WebSocket, event streams) have a budget
 * each: see `hub/delivery/slow-connections.ts`.
 */
import { type IncomingMessage, type RequestListener, type Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { HubError } from '../errors.js';
import { Tally } from '../tally.js';
import { sendProblem } from '../transports/problem.js';

/** Of the answers of an address, bytes. Not of this machine's own, which may be a proxy that does not say for whom it asks. */
export const UNREAD_BYTES_PER_ADDRESS = 16 * 1024 * 1024;
/** Of all answers of a node, bytes. */
const UNREAD_BYTES_PER_NODE = 128 * 1024 * 1024;
/** A connection that takes nothing of its answers for this long is cut, ms. */
const UNREAD_MS = 30_000;
/** Requests of a connection that may wait behind the one that is being answered. */
export const MAX_PIPELINED = 64;
/**
 * Never refused here: an event stream is a connection, with a budget of its own, and a refusal must not end an
 * `EventSource`; health checks have answers of a few bytes.
 */
const EXEMPT = /^\/(stream|health\/live|health\/ready)(\?|$)/;
/** An answer up to this size is sent even where more waits than may, so that a refusal arrives. */
const SMALL_BYTES = 4 * 1024;
const LOOK_MS = 1_000;

/** The refusals of this file. */
export type UnreadLimit = 'unread_bytes_per_address' | 'pipelined_per_socket';

export interface UnreadAnswersOptions {
  /** The key that a request's address is counted under; undefined: only in the total. */
  readonly addressOf: (request: IncomingMessage) => string | undefined;
  readonly onRefused: (limit: UnreadLimit) => void;
  readonly perAddress?: number;
  readonly perNode?: number;
  readonly unreadMs?: number;
}

/** A connection with answers that wait. */
interface Waiting {
  readonly address: string | undefined;
  /** By answer. */
  readonly answers: Map<ServerResponse, number>;
  readonly forget: () => void;
  /** What had left the process at the last look that saw more leave, bytes. */
  sent: number;
  /** When that was, ms. */
  at: number;
}

type End = (...args: readonly unknown[]) => ServerResponse;
type Write = (...args: readonly unknown[]) => boolean;

export class UnreadAnswers {
  /** Connections that were cut because they did not read. */
  cut = 0;
  readonly #options: Required<UnreadAnswersOptions>;
  readonly #waiting = new Map<Socket, Waiting>();
  readonly #byAddress = new Tally();
  #bytes = 0;
  readonly #pipelined = new WeakMap<Socket, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: UnreadAnswersOptions) {
    this.#options = {
      perAddress: UNREAD_BYTES_PER_ADDRESS,
      perNode: UNREAD_BYTES_PER_NODE,
      unreadMs: UNREAD_MS,
      ...options,
    };
  }

  /** Bytes of answers that wait for their clients now. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Puts itself before the listeners that a server has by now, for requests; upgrades do not pass here. */
  guard(server: Server): void {
    const listeners = server.listeners('request') as RequestListener[];
    server.removeAllListeners('request');
    // Express changes the prototype of a response, so a class of its own would not last.
    const unread = this;
    function end(this: ServerResponse, ...args: readonly unknown[]): ServerResponse {
      return unread.#end(this, args);
    }
    function write(this: ServerResponse, ...args: readonly unknown[]): boolean {
      const taken = Reflect.apply(ServerResponse.prototype.write as Write, this, args);
      unread.#note(this);
      return taken;
    }
    server.on('request', (request, response) => {
      response.end = end as typeof response.end;
      response.write = write as typeof response.write;
      const refusal = this.#pipelinedTooMany(request, response) ?? this.#tooMuch(request);
      if (refusal === undefined) {
        for (const listener of listeners) listener.call(server, request, response);
        return;
      }
      // Its body would have to be read to the end.
      if (request.method === 'POST') response.setHeader('Connection', 'close');
      sendProblem(response, refusal);
    });
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #end(response: ServerResponse, args: readonly unknown[]): ServerResponse {
    if (this.#bytes > 0 && sizeOf(args[0]) > SMALL_BYTES) {
      const refusal = this.#tooMuch(response.req);
      if (refusal !== undefined) {
        if (response.headersSent) response.req.socket.destroy();
        else sendProblem(response, refusal);
        return response;
      }
    }
    const ended = Reflect.apply(ServerResponse.prototype.end as End, response, args);
    this.#note(response);
    return ended;
  }

  #tooMuch(request: IncomingMessage): HubError | undefined {
    if (this.#bytes === 0 || EXEMPT.test(request.url ?? '')) return undefined;
    const { perAddress, addressOf, onRefused } = this.#options;
    const address = addressOf(request);
    if (address === undefined || this.#byAddress.of(address) < perAddress) return undefined;
    onRefused('unread_bytes_per_address');
    return new HubError(
      'rate_limited',
      `${perAddress} bytes of answers to this address have not been read; read them first`,
      { retryAfterMs: LOOK_MS },
    );
  }

  #pipelinedTooMany({ socket }: IncomingMessage, response: ServerResponse): HubError | undefined {
    // Node.js gives a response its socket when those before it are done.
    if (response.socket !== null) {
      this.#pipelined.delete(socket);
      return undefined;
    }
    const count = (this.#pipelined.get(socket) ?? 0) + 1;
    this.#pipelined.set(socket, count);
    if (count <= MAX_PIPELINED) {
      response.once('finish', () => this.#pipelined.set(socket, (this.#pipelined.get(socket) ?? 1) - 1));
      return undefined;
    }
    this.#options.onRefused('pipelined_per_socket');
    return new HubError(
      'rate_limited',
      `at most ${MAX_PIPELINED} requests of a connection may wait for the answer to an earlier one`,
      { retryAfterMs: LOOK_MS },
    );
  }

  /** Counts what waits of an answer that was written to. */
  #note(response: ServerResponse): void {
    const { writableLength, req } = response;
    if (writableLength === 0 || req.socket.destroyed) return;
    const waiting = this.#waiting.get(req.socket) ?? this.#add(req);
    const before = waiting.answers.get(response);
    if (before === undefined) response.once('close', () => this.#count(waiting, response, 0));
    this.#count(waiting, response, Math.max(before ?? 0, writableLength));
    if (this.#bytes > this.#options.perNode) this.#cutOldest();
  }

  #add(request: IncomingMessage): Waiting {
    const { socket } = request;
    const waiting: Waiting = {
      address: this.#options.addressOf(request),
      answers: new Map(),
      forget: () => {
        for (const response of [...waiting.answers.keys()]) this.#count(waiting, response, 0);
        this.#waiting.delete(socket);
        socket.off('close', waiting.forget);
        if (this.#waiting.size === 0) this.stop();
      },
      sent: sentBytes(socket),
      at: performance.now(),
    };
    socket.once('close', waiting.forget);
    this.#waiting.set(socket, waiting);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
    return waiting;
  }

  /** @param bytes 0: it is done */
  #count(waiting: Waiting, response: ServerResponse, bytes: number): void {
    const { address, answers } = waiting;
    const change = bytes - (answers.get(response) ?? 0);
    if (bytes === 0) answers.delete(response);
    else answers.set(response, bytes);
    this.#bytes += change;
    if (address !== undefined) this.#byAddress.add(address, change);
    if (answers.size === 0 && bytes === 0) waiting.forget();
  }

  #look(): void {
    const now = performance.now();
    for (const [socket, waiting] of this.#waiting) {
      const sent = sentBytes(socket);
      // An answer that is not finished, or waits for the one before it, is not the client's fault.
      const isTheirs = socket.writableLength > 0;
      if (sent !== waiting.sent || !isTheirs) Object.assign(waiting, { sent, at: now });
      else if (now - waiting.at >= this.#options.unreadMs) this.#cut(socket, waiting);
    }
  }

  #cutOldest(): void {
    let oldest: readonly [Socket, Waiting] | undefined;
    for (const each of this.#waiting) if (oldest === undefined || each[1].at < oldest[1].at) oldest = each;
    if (oldest !== undefined) this.#cut(...oldest);
  }

  #cut(socket: Socket, waiting: Waiting): void {
    this.cut += 1;
    waiting.forget();
    socket.destroy();
  }
}

function sizeOf(chunk: unknown): number {
  return typeof chunk === 'string' || Buffer.isBuffer(chunk) ? chunk.length : 0;
}

/**
 * Bytes that have left the process. `writableLength` alone would not show that a large answer is being read: it changes
 * only when the kernel has taken all of a write. The one cast to internals of `node:net`;
 * `spec/http/unread-answers.spec.ts` holds on to it.
 */
function sentBytes(socket: Socket): number {
  const { _handle: handle } = socket as unknown as {
    readonly _handle: { readonly bytesWritten: number; readonly writeQueueSize: number } | null;
  };
  return handle === null ? 0 : handle.bytesWritten - handle.writeQueueSize;
}
