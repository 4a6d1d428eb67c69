/**
 * An unmodified socket.io-client, as the README tells to use it: a recovered one does nothing, any other subscribes.
 * Half of them keep the last cursor themselves and give it to that subscription.
 */

import type { WelcomeInfo } from '@axiom-streaming/protocol/message';
import { io, type Socket } from 'socket.io-client';
import parser from 'socket.io-msgpack-parser';
import {
  type DegradedInfo,
  type GapInfo,
  reconnectDelayMs,
  type StormMessage,
  type StormSubscriber,
  type SubscribeAck,
  type SubscriberPlan,
} from './subscriber.js';

interface PausableSocket {
  pause(): void;
  resume(): void;
}

export class SocketIoSubscriber implements StormSubscriber {
  readonly plan: SubscriberPlan;
  readonly #socket: Socket;
  readonly #keepsCursor: boolean;
  #cursor = '';

  constructor(plan: SubscriberPlan, options: { msgpack: boolean; keepsCursor: boolean }) {
    this.plan = plan;
    this.#keepsCursor = options.keepsCursor;
    this.#socket = io(plan.url, {
      autoConnect: false,
      forceNew: true,
      transports: ['websocket'],
      ...(options.msgpack ? { path: '/msgpack/', parser } : {}),
      extraHeaders: { 'X-Forwarded-For': plan.address },
      reconnectionDelay: 50,
      reconnectionDelayMax: 500,
    });
    this.#listen();
  }

  start(): void {
    this.#socket.connect();
  }

  pause(): void {
    this.#webSocket()?.pause();
  }

  resume(): void {
    this.#webSocket()?.resume();
  }

  stop(): void {
    this.#socket.disconnect();
  }

  /** The `ws` socket below, where there is one. */
  #webSocket(): PausableSocket | undefined {
    const { engine } = this.#socket.io as { engine?: { transport?: { ws?: PausableSocket } } };
    return engine?.transport?.ws;
  }

  #listen(): void {
    const { account } = this.plan;
    const socket = this.#socket;
    socket.on('disconnect', (reason) => account.note(`disconnected: ${reason}`));
    socket.on('welcome', (info: WelcomeInfo, cursor: string) => {
      account.connected(`${info.node}${socket.recovered ? ', recovered' : ''}`);
      if (socket.recovered) {
        this.#cursor = cursor;
        account.subscribed(info.topics ?? [], cursor);
        return;
      }
      account.refused(info.recovered === false ? info.reason : undefined);
      void this.#subscribe();
    });
    socket.on('message', (message: StormMessage, cursor: string) => {
      this.#cursor = cursor;
      account.message(message, cursor);
    });
    socket.on('position', (cursor: string) => {
      this.#cursor = cursor;
      account.position(cursor);
    });
    socket.on('gap', (info: GapInfo) => account.gap(info));
    socket.on('degraded', (info: DegradedInfo) => account.degraded(info));
  }

  async #subscribe(): Promise<void> {
    const socket = this.#socket;
    const { id } = socket;
    const { topics, maxRate, account } = this.plan;
    const since = this.#keepsCursor && this.#cursor !== '' ? this.#cursor : undefined;
    const request = {
      topics,
      ...(since === undefined ? {} : { since }),
      ...(maxRate === undefined ? {} : { conflate: 'latest', maxRate }),
    };
    socket.timeout(15_000).emit('subscribe', request, (error: Error | null, ack: SubscribeAck) => {
      // Whoever has another connection by now has subscribed on that.
      if (socket.id !== id || !socket.connected) return;
      if (error === null && ack.ok) {
        this.#cursor = ack.cursor!;
        account.subscribed(ack.topics!, ack.cursor!, since !== undefined);
        return;
      }
      account.note(`subscribe failed: ${error?.message ?? ack.error?.code}`);
      setTimeout(() => {
        if (socket.id === id && socket.connected) void this.#subscribe();
      }, reconnectDelayMs());
    });
  }
}
