/** What the operations that change a connection's subscriptions share. */

import type { Topic } from '@axiom-streaming/protocol/topic';
import { HubError } from '../../errors.js';
import type { Principal } from '../access.js';
import type { Subscriber } from '../delivery/subscriber.js';
import type { Hub } from '../hub.js';

/** Changes of a connection's subscriptions run one after the other, in the order in which they were asked for. */
export async function inTurn<T>(subscriber: Subscriber, work: () => Promise<T>): Promise<T> {
  const turn = subscriber.turn.then(work);
  subscriber.turn = turn.catch(() => undefined);
  return turn;
}

/** Parses topics, each once. @throws HubError that names the first field that is wrong */
export function uniqueTopics(hub: Hub, texts: readonly string[]): Topic[] {
  const topics = new Map<string, Topic>();
  texts.forEach((text, i) => {
    topics.set(text, hub.topic(text, `topics[${i}]`));
  });
  return [...topics.values()];
}

/** Charges for a change of a connection's subscriptions: for the topics it names, and for all that are kept then. */
export function chargeTopics({ access, topicCount }: Subscriber, named: number): void {
  access.charge('topics', named);
  if (topicCount > 0) access.charge('topics_kept', topicCount);
}

/** Most topics that a principal may read with one socket. */
export function topicLimit({ limits }: Pick<Hub, 'limits'>, { subject }: Pick<Principal, 'subject'>): number {
  const { topicsPerConnection, topicsPerAnonymousConnection } = limits;
  return subject === undefined
    ? Math.min(topicsPerConnection, topicsPerAnonymousConnection)
    : topicsPerConnection;
}

/** The error for a connection that would read more topics than it may. */
export function tooManyTopics(most: number, { subject }: Principal): HubError {
  const who = subject === undefined ? 'a connection without a token' : 'a connection';
  return new HubError('too_many_topics', `topics: ${who} reads at most ${most}`, { field: 'topics' });
}
