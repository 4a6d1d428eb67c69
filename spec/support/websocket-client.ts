import type { GapInfo, Message, TopicVerdict } from '@axiom-streaming/protocol/message';
import { WebSocket } from 'ws';
import {
  nextAddress,
  Seen,
  type TestClient,
  type TestClientOptions,
  type TestSubscription,
} from './client.js';
import { authorization } from './credentials.js';
import type { Ack } from './socketio-client.js';

const RECONNECT_MS = 25;

type Frame = { readonly op: string } & Record<string, unknown>;

/** A plain WebSocket client as a careful user would write it: it reconnects, and resends its topics and its cursor. */
export class WebSocketTestClient implements TestClient {
  readonly transport = 'websocket';
  readonly seen = new Seen();
  readonly frames: Frame[] = [];
  readonly closeCodes: number[] = [];
  verdicts: readonly TopicVerdict[] = [];
  readonly #url: string;
  readonly #headers: Record<string, string>;
  #socket: WebSocket | undefined;
  #subscription: TestSubscription | undefined;
  #closed = false;
  #nextId = 1;
  readonly #acks = new Map<number, (ack: Ack) => void>();

  private constructor({ url, address = nextAddress(), token }: TestClientOptions) {
    this.#headers = { 'X-Forwarded-For': address, ...authorization(token) };
    this.#url = `${url.replace(/^http/, 'ws')}/ws`;
  }

  /** Connects without subscribing to anything. */
  static async connect(options: TestClientOptions): Promise<WebSocketTestClient> {
    const client = new WebSocketTestClient(options);
    await client.#connect();
    return client;
  }

  /** Connects and subscribes, again after each loss. */
  static async subscribe(
    options: TestClientOptions,
    subscription: TestSubscription,
  ): Promise<WebSocketTestClient> {
    const client = await WebSocketTestClient.connect(options);
    client.#subscription = subscription;
    const ack = await client.request('subscribe', { ...subscription });
    if (!ack.ok) {
      client.close();
      throw new Error(`subscribe was refused: ${ack.error?.code}: ${ack.error?.message}`);
    }
    return client;
  }

  get node(): string {
    return this.seen.nodes.at(-1) ?? '';
  }

  get socket(): WebSocket {
    if (this.#socket === undefined) throw new Error('the client is not connected');
    return this.#socket;
  }

  /** Sends one request and waits for its acknowledgement. */
  request(op: string, body: Record<string, unknown>): Promise<Ack> {
    const id = this.#nextId++;
    return new Promise((resolve, reject) => {
      this.#acks.set(id, resolve);
      setTimeout(() => reject(new Error(`no acknowledgement of ${op} within 60 s`)), 60_000).unref();
      this.socket.send(JSON.stringify({ op, id, ...body }));
    });
  }

  close(): void {
    this.#closed = true;
    this.#socket?.terminate();
  }

  #connect(): Promise<void> {
    return new Promise((resolve, reject) => {
      const socket = new WebSocket(this.#url, { headers: this.#headers });
      this.#socket = socket;
      socket.on('error', (error) => {
        if (this.seen.nodes.length === 0) reject(error);
      });
      socket.on('message', (data) => {
        this.#receive(JSON.parse(String(data)) as Frame);
        resolve();
      });
      socket.on('close', (code) => {
        this.closeCodes.push(code);
        this.seen.losses += 1;
        if (!this.#closed && this.seen.nodes.length > 0)
          setTimeout(() => void this.#reconnect(), RECONNECT_MS);
      });
    });
  }

  async #reconnect(): Promise<void> {
    if (this.#closed) return;
    await this.#connect();
    if (this.#subscription === undefined) return;
    const { topics, conflate, maxRate } = this.#subscription;
    await this.request('subscribe', {
      topics,
      conflate,
      maxRate,
      since: this.seen.cursor === '' ? undefined : this.seen.cursor,
    });
  }

  #receive(frame: Frame): void {
    this.frames.push(frame);
    switch (frame.op) {
      case 'welcome':
        this.seen.nodes.push(String(frame.node));
        return;
      case 'message':
        this.seen.message(frame.message as Message, String(frame.cursor));
        return;
      case 'position':
        this.seen.position(String(frame.cursor));
        return;
      case 'gap':
        this.seen.gaps.push(frame as unknown as GapInfo);
        return;
      case 'degraded':
        this.seen.degraded.push(frame);
        return;
      case 'drain':
        this.seen.drains.push(frame);
        return;
      case 'ack': {
        const ack = frame as unknown as Ack;
        if (ack.ok && ack.topics?.[0]?.topic !== undefined) this.verdicts = ack.topics;
        this.#acks.get(Number(frame.id))?.(ack);
        this.#acks.delete(Number(frame.id));
      }
    }
  }
}
