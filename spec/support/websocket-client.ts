import type { Socket as TcpSocket } from 'node:net';
import type { DegradedInfo, GapInfo, Message } from '@axiom-streaming/protocol/message';
import { WebSocket } from 'ws';
import {
  type Ack,
  ANSWER_WITHIN_MS,
  BaseTestClient,
  backoffMs,
  CONNECT_WITHIN_MS,
  fromAddress,
  nextAddress,
  Resumption,
  type TestClientOptions,
  type TestSocket,
  type TestSubscription,
} from './client.js';
import { authorization } from './credentials.js';

type Frame = { readonly op: string } & Record<string, unknown>;

/** A plain WebSocket client as a careful user would write it: it reconnects, and resends its topics and its cursor. */
export class WebSocketTestClient extends BaseTestClient implements TestSocket {
  readonly transport = 'websocket';
  readonly frames: Frame[] = [];
  readonly closeCodes: number[] = [];
  readonly #url: string;
  readonly #headers: Record<string, string>;
  readonly #resumption: Resumption;
  readonly #acks = new Map<number, (ack: Ack) => void>();
  #socket: WebSocket | undefined;
  #stalled: TcpSocket | undefined;
  #closed = false;
  #failures = 0;
  #nextId = 1;

  private constructor(options: TestClientOptions) {
    super(options);
    const { url, address = nextAddress(), token } = options;
    this.#headers = { ...fromAddress(address), ...authorization(token) };
    this.#url = `${url.replace(/^http/, 'ws')}/ws`;
    this.#resumption = new Resumption(this.seen, (body, heard) => this.request('subscribe', body, heard));
  }

  /** Connects without subscribing to anything. */
  static async connect(options: TestClientOptions): Promise<WebSocketTestClient> {
    const client = new WebSocketTestClient(options);
    await new Promise<void>((resolve, reject) => client.#connect(resolve, reject));
    return client;
  }

  /** Connects and subscribes, again after each loss. @throws Error where the hub refuses it */
  static async subscribe(
    options: TestClientOptions,
    subscription: TestSubscription,
  ): Promise<WebSocketTestClient> {
    const client = await WebSocketTestClient.connect(options);
    try {
      await client.#resumption.begin(subscription);
    } catch (error) {
      client.close();
      throw error;
    }
    return client;
  }

  get socket(): WebSocket {
    if (this.#socket === undefined) throw new Error('the client is not connected');
    return this.#socket;
  }

  request(operation: string, body: object, heard?: (ack: Ack) => void): Promise<Ack> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#acks.set(id, (ack) => {
        heard?.(ack);
        resolve(ack);
      });
      setTimeout(() => {
        this.#acks.delete(id);
        reject(new Error(`no acknowledgement of ${operation} within ${ANSWER_WITHIN_MS / 1000} s`));
      }, ANSWER_WITHIN_MS).unref();
      this.socket.send(JSON.stringify({ op: operation, id, ...body }));
    });
  }

  stall(): void {
    // Private in the types of `ws`; there is none while the client is away.
    this.#stalled = (this.socket as unknown as { readonly _socket?: TcpSocket })._socket;
    this.#stalled?.pause();
  }

  resume(): void {
    this.#stalled?.resume();
  }

  cut(): void {
    this.#socket?.terminate();
  }

  close(): void {
    this.#closed = true;
    this.#socket?.terminate();
  }

  /** @param opened called with the first frame @param refused called where the first connection cannot be made */
  #connect(opened: () => void, refused: (error: Error) => void): void {
    const socket = new WebSocket(this.#url, { headers: this.#headers, handshakeTimeout: CONNECT_WITHIN_MS });
    this.#socket = socket;
    socket.on('error', (error) => {
      this.seen.note(`error: ${error.message}`);
      refused(error);
    });
    socket.on('message', (data) => {
      if (this.#socket !== socket) return;
      this.#receive(JSON.parse(String(data)) as Frame);
      opened();
    });
    socket.on('close', (code) => {
      this.closeCodes.push(code);
      this.seen.lost(String(code));
      refused(new Error(`the connection was closed with ${code}`));
      // One that was never let in does not try again.
      if (this.#closed || this.seen.nodes.length === 0) return;
      const again = () => {
        if (!this.#closed) this.#connect(noop, noop);
      };
      setTimeout(again, backoffMs(this.#failures++));
    });
  }

  #receive(frame: Frame): void {
    const { seen } = this;
    if (seen.keeps) this.frames.push(frame);
    switch (frame.op) {
      case 'welcome': {
        const socket = this.#socket;
        this.#failures = 0;
        seen.connected(String(frame.node));
        void this.#resumption.resume(
          () => this.#socket === socket && socket?.readyState === WebSocket.OPEN && !this.#closed,
        );
        return;
      }
      case 'message':
        seen.message(frame.message as Message, String(frame.cursor));
        return;
      case 'position':
        seen.position(String(frame.cursor));
        return;
      case 'gap':
        seen.gap(frame as unknown as GapInfo);
        return;
      case 'degraded':
        seen.degradation(frame as unknown as DegradedInfo);
        return;
      case 'drain':
        seen.drains.push(frame);
        return;
      case 'ack':
        this.#acknowledged(Number(frame.id), frame as unknown as Ack);
    }
  }

  #acknowledged(id: number, ack: Ack): void {
    if (ack.ok && ack.topics?.[0]?.topic !== undefined) this.seen.verdicts = ack.topics;
    this.#acks.get(id)?.(ack);
    this.#acks.delete(id);
  }
}

const noop = () => undefined;
