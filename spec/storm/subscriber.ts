/** The subscribers of a storm: an ordinary client of each kind, whose account is told all that it is told. */
import type { StreamClass } from '@axiom-streaming/protocol/message';
import type { ClientName, TestClient } from '../support/client.js';
import { subscribeSocketIo } from '../support/socketio-client.js';
import { subscribeOver } from '../support/subscribe.js';
import { Account } from './account.js';
import { STORM_STREAMS } from './catalogue.js';
import type { AccountCounts } from './counts.js';
import type { Publications } from './publications.js';
import type { Random } from './random.js';

const CLIENTS: readonly ClientName[] = ['socketio', 'websocket', 'sse', 'msgpack'];

/** What a subscriber is to read, and how. */
export interface SubscriberPlan {
  readonly kind: ClientName;
  /** The address that NGINX sees. */
  readonly address: string;
  readonly topics: readonly string[];
  /** It stops reading now and then. */
  readonly slow: boolean;
  /** It asks for conflation, messages per second and key. Undefined: it does not. */
  readonly maxRate: number | undefined;
  /** Whether it comes back with its cursor where its session is gone; only Socket.IO has one. */
  readonly keepsCursor: boolean;
  readonly account: Account;
}

/** A subscriber that reads, and comes back by itself whatever happens. */
export interface StormSubscriber {
  readonly plan: SubscriberPlan;
  readonly client: TestClient;
}

/** What subscribers share. */
export interface Surroundings {
  readonly random: Random;
  readonly publications: Publications;
  readonly counts: AccountCounts;
  /** Seconds since the storm began. */
  readonly now: () => number;
}

/** The i-th subscriber: each transport in turn, its topics by chance, every tenth slow, another tenth conflating. */
export function planSubscriber(
  i: number,
  { random, publications, counts, now }: Surroundings,
): SubscriberPlan {
  const kind = CLIENTS[i % CLIENTS.length]!;
  // Tens are met by every transport in turn, so that each has its share.
  const slow = i % 10 === Math.floor(i / 10) % 10;
  const conflates = !slow && i % 10 === (Math.floor(i / 10) + 5) % 10;
  const topics = slow
    ? ['books:*', 'reports:*', 'fills:*', 'prices:k0']
    : conflates
      ? ['prices:*', 'books:k0']
      : lightTopics(random);
  const name = `${kind} ${i}${slow ? ' (slow)' : ''}${conflates ? ' (conflating)' : ''}`;
  return {
    kind,
    address: `127.${1 + Math.floor(i / 250)}.${1 + (i % 250)}.1`,
    topics,
    slow,
    maxRate: conflates ? 4 : undefined,
    keepsCursor: i % 8 < 4,
    account: new Account({ name, topics, inStep: !slow && !conflates, publications, counts, classOf, now }),
  };
}

/** Connects and subscribes. @throws Error where the hub refuses it */
export async function openSubscriber(plan: SubscriberPlan, url: string): Promise<StormSubscriber> {
  const { kind, address, topics, maxRate, keepsCursor, account } = plan;
  const options = { url, address, token: '', listener: account, keeps: false };
  const subscription = {
    topics,
    ...(maxRate === undefined ? {} : { conflate: 'latest' as const, maxRate }),
  };
  const client =
    kind === 'socketio' || kind === 'msgpack'
      ? await subscribeSocketIo({ ...options, keepsCursor, msgpack: kind === 'msgpack' }, subscription)
      : await subscribeOver(kind, options, subscription);
  return { plan, client };
}

function classOf(stream: string): StreamClass {
  return STORM_STREAMS[stream]!.class;
}

/** One to three of the light streams: the whole of it, or some of its keys. */
function lightTopics(random: Random): string[] {
  const light = ['prices', 'news', 'orders', 'brief'];
  const chosen = light.filter(() => random.next() < 0.5);
  if (chosen.length === 0) chosen.push(random.pick(light));
  return chosen.flatMap((stream) => {
    const { keys } = STORM_STREAMS[stream]!;
    if (random.next() < 0.4) return [`${stream}:*`];
    const some = keys.filter(() => random.next() < 0.4);
    return (some.length === 0 ? [random.pick(keys)] : some).map((key) => `${stream}:${key}`);
  });
}
