import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import { type SubscribeOptions, subscribe } from '../../../server/hub/operations/subscribe.js';
import { planned, type RecordingSink, TestHub } from '../support.js';

/** What the specs of subscriptions share: a hub with one connection. */
export interface Reading {
  readonly test: TestHub;
  readonly sink: RecordingSink;
  readonly subscriber: Subscriber;
}

/** Starts a hub and connects. The caller stops the hub. */
export async function startReading(options: Parameters<typeof TestHub.start>[0] = {}): Promise<Reading> {
  const test = await TestHub.start(options);
  const { sink, subscriber } = test.connect();
  return { test, sink, subscriber };
}

/** What specs do with the connection that is current when they are called. */
export function readingHelpers(current: () => Reading) {
  return {
    /** Subscribes and keeps what was planned. */
    read: async (
      topics: string[],
      request: { since?: string; rewind?: number } = {},
      options: Partial<SubscribeOptions> = {},
      who: Subscriber = current().subscriber,
    ) => {
      const plan = planned();
      await subscribe(current().test.hub, who, { topics, ...request }, { ...plan, ...options });
      return plan.results[0]!;
    },
    readersOf: (stream: string) => [...current().test.hub.stream(stream).fanout.readers()],
    withoutPositions: () => current().sink.events.filter((event) => !event.startsWith('position')),
    keysAndSeqs: () => current().sink.messages.map(({ topic, seq }) => `${topic} ${seq}`),
  };
}
