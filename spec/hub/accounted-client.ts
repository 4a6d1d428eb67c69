import type { Message } from '@axiom-streaming/protocol/message';
import type { Subscriber } from '../../server/hub/delivery/subscriber.js';
import type { Hub } from '../../server/hub/hub.js';
import { subscribe } from '../../server/hub/operations/subscribe.js';
import type { StreamConfig } from '../../server/hub/streams.js';
import { Account } from '../storm/account.js';
import { newCounts } from '../storm/counts.js';
import type { Publications } from '../storm/publications.js';
import { RecordingSink } from './support.js';

/** A client that keeps the last cursor, and comes back with it. */
export class AccountedClient {
  readonly account: Account;
  readonly #hub: Hub;
  readonly #topics: readonly string[];
  #cursor: string | undefined;
  #sink: RecordingSink | undefined;
  #subscriber: Subscriber | undefined;
  #subscribing: Promise<void> = Promise.resolve();
  static #ids = 0;

  constructor(
    hub: Hub,
    topics: readonly string[],
    publications: Publications,
    streams: readonly StreamConfig[],
  ) {
    this.#hub = hub;
    this.#topics = topics;
    this.account = new Account({
      name: topics.join(),
      topics,
      inStep: true,
      publications,
      counts: newCounts(),
      classOf: (name) => streams.find((stream) => stream.name === name)!.class,
      now: () => 0,
    });
  }

  connect(): void {
    const sink = new RecordingSink();
    this.#sink = sink;
    const { account } = this;
    // What was written to a connection that is gone has not been seen.
    const seen = (cursor: string, tell: () => void) => {
      if (this.#sink !== sink) return;
      this.#cursor = cursor;
      tell();
    };
    sink.onWrite = ({ cursor, ...message }) =>
      seen(cursor, () => account.message(message as Message, cursor));
    sink.position = (cursor) => seen(cursor, () => account.position(cursor));
    sink.gap = (info) => {
      if (this.#sink === sink) account.gap(info);
    };
    const subscriber = this.#hub.attach(`c${AccountedClient.#ids++}`, sink);
    this.#subscriber = subscriber;
    const since = this.#cursor;
    this.#subscribing = subscribe(
      this.#hub,
      subscriber,
      { topics: [...this.#topics], ...(since === undefined ? {} : { since }) },
      {
        onPlanned: ({ topics, cursor }) =>
          seen(cursor, () => account.subscribed(topics, cursor, since !== undefined)),
      },
    );
  }

  breakOff(): void {
    this.#sink = undefined;
    if (this.#subscriber !== undefined) this.#hub.detach(this.#subscriber);
  }

  async settled(): Promise<void> {
    await this.#subscribing;
    // As a quiet connection is told its cursor now and then.
    this.#subscriber?.position();
  }
}
