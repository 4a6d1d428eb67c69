/** What a `subscribe` says of conflation: whether it may, and what it means for what was missed. */

import { type Topic, topicName } from '@axiom-streaming/protocol/topic';
import { HubError } from '../../errors.js';
import type { Subscriber } from '../delivery/subscriber.js';
import type { Hub } from '../hub.js';
import type { Conflation } from '../queues/conflator.js';

/** What a request says of conflation: both or neither. */
export interface ConflationRequest {
  readonly conflate?: Conflation['mode'] | undefined;
  readonly maxRate?: number | undefined;
}

/** The conflation that a request asks for. */
export function requestedConflation({ conflate, maxRate }: ConflationRequest): Conflation | undefined {
  return conflate === undefined || maxRate === undefined ? undefined : { mode: conflate, maxRate };
}

/** @throws HubError `unsupported` if a topic is of a `ledger` stream, of which nothing may be skipped. */
export function checkConflatable(
  hub: Hub,
  topics: readonly Topic[],
  conflation: Conflation | undefined,
): void {
  if (conflation === undefined) return;
  const ledger = topics.find(({ stream }) => hub.stream(stream).config.class === 'ledger');
  if (ledger === undefined) return;
  const topic = topicName(ledger.stream, ledger.key);
  throw new HubError('unsupported', `conflate: ${topic} is of a ledger, of which nothing may be skipped`, {
    field: 'conflate',
  });
}

/** @throws HubError `bad_request` if a topic is already conflated at a lower rate. */
export function checkNotRaised(
  subscriber: Subscriber,
  topics: readonly Topic[],
  conflation: Conflation | undefined,
): void {
  if (conflation === undefined) return;
  for (const { stream, key } of topics) {
    const now = subscriber.readers.get(stream)?.conflations.get(key);
    if (now === undefined || now.maxRate >= conflation.maxRate) continue;
    throw new HubError(
      'bad_request',
      `maxRate: ${topicName(stream, key)} has ${now.maxRate}; a rate can only be lowered, unsubscribe first`,
      { field: 'maxRate' },
    );
  }
}
