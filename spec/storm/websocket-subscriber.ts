import { WebSocket } from 'ws';
import {
  type DegradedInfo,
  type GapInfo,
  reconnectDelayMs,
  type StormMessage,
  type StormSubscriber,
  type SubscribeAck,
  type SubscriberPlan,
} from './subscriber.js';

const NO_CONNECTION_WITHIN_MS = 10_000;

type Frame = { readonly op: string; readonly cursor?: string } & Record<string, unknown>;

/** A plain WebSocket that resends its topics and its last cursor. */
export class WebSocketSubscriber implements StormSubscriber {
  readonly plan: SubscriberPlan;
  #socket: WebSocket | undefined;
  #cursor = '';
  #since = false;
  #stopped = false;

  constructor(plan: SubscriberPlan) {
    this.plan = plan;
  }

  start(): void {
    const { url, address, account } = this.plan;
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/ws`, {
      headers: { 'X-Forwarded-For': address },
      handshakeTimeout: NO_CONNECTION_WITHIN_MS,
    });
    this.#socket = socket;
    socket.on('error', (error) => account.note(`error: ${error.message}`));
    socket.on('message', (data) => {
      if (this.#socket === socket) this.#receive(JSON.parse(String(data)) as Frame);
    });
    socket.on('close', (code) => {
      account.note(`closed: ${code}`);
      if (!this.#stopped) setTimeout(() => this.start(), reconnectDelayMs());
    });
  }

  pause(): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }

  stop(): void {
    this.#stopped = true;
    this.#socket?.terminate();
  }

  #subscribe(): void {
    const { topics, maxRate } = this.plan;
    this.#since = this.#cursor !== '';
    this.#socket?.send(
      JSON.stringify({
        op: 'subscribe',
        id: 1,
        topics,
        ...(this.#since ? { since: this.#cursor } : {}),
        ...(maxRate === undefined ? {} : { conflate: 'latest', maxRate }),
      }),
    );
  }

  #receive(frame: Frame): void {
    const { account } = this.plan;
    switch (frame.op) {
      case 'welcome':
        account.connected(String(frame.node));
        this.#subscribe();
        return;
      case 'ack':
        this.#acknowledged(frame as unknown as SubscribeAck);
        return;
      case 'message':
        this.#cursor = frame.cursor!;
        account.message(frame.message as StormMessage, frame.cursor!);
        return;
      case 'position':
        this.#cursor = frame.cursor!;
        account.position(frame.cursor!);
        return;
      case 'gap':
        account.gap(frame as unknown as GapInfo);
        return;
      case 'degraded':
        account.degraded(frame as unknown as DegradedInfo);
    }
  }

  #acknowledged(ack: SubscribeAck): void {
    const { account } = this.plan;
    if (ack.ok) {
      this.#cursor = ack.cursor!;
      account.subscribed(ack.topics!, ack.cursor!, this.#since);
      return;
    }
    account.note(`subscribe failed: ${ack.error?.code}`);
    const socket = this.#socket;
    setTimeout(() => {
      if (this.#socket === socket && socket?.readyState === WebSocket.OPEN) this.#subscribe();
    }, reconnectDelayMs());
  }
}
