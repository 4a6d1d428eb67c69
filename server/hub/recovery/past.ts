/** What a subscription brings from the past, and how that becomes the plan of its backfill. */

import type { Positions } from '@axiom-streaming/protocol/cursor';
import { ALL_KEYS, topicName } from '@axiom-streaming/protocol/topic';
import type { StreamReader } from '../delivery/stream-reader.js';
import { changedSince, snapshot } from '../tail/last-values.js';
import type { StreamMessage } from '../tail/stream-message.js';
import type { Verdict } from './verdict.js';

/** How much of the past is asked for: what follows a cursor, the newest messages of each topic, or neither. */
export interface PastRequest {
  readonly positions: Positions | undefined;
  /** Messages per topic. */
  readonly rewind: number | undefined;
}

/** The newest messages of a stream's new topics. */
export interface Rewound {
  /** Seq up to which it was looked. */
  readonly barrier: number;
  /** Ascending by seq. */
  readonly messages: readonly StreamMessage[];
}

/** The past of some topics, all of one epoch per stream: the current one. */
export interface Past {
  /** By topic; undefined without a cursor. */
  readonly verdicts: Map<string, Verdict> | undefined;
  /** By stream; empty unless a rewind was asked for. */
  readonly rewound: ReadonlyMap<string, Rewound>;
}

/**
 * What new topics of a stream begin with, and where: sets the starts of their keys, and the verdict of a topic that is
 * conflated and has missed something.
 *
 * @returns the opening of a backfill: snapshot or rewind, ascending by seq
 */
export function planPast(
  reader: Pick<StreamReader, 'tail' | 'streamClass'>,
  keys: ReadonlySet<string>,
  starts: Map<string, number>,
  past: Past,
  isConflated: (key: string) => boolean,
): readonly StreamMessage[] {
  const { tail, streamClass } = reader;
  const rewound = past.rewound.get(tail.stream);
  const fresh = new Set<string>();
  const changed = new Set<StreamMessage>();
  const startAt = (key: string, seq: number) => {
    const waiting = starts.get(key) ?? tail.last;
    // A key with messages still pending starts no later than those.
    starts.set(key, waiting < tail.last ? Math.min(waiting, seq) : seq);
  };
  for (const key of keys) {
    const topic = topicName(tail.stream, key);
    const verdict = past.verdicts?.get(topic);
    if (verdict?.recovered !== true) {
      fresh.add(key);
      startAt(key, rewound?.barrier ?? tail.last);
      continue;
    }
    // A deleted key has no newest value: whoever has missed a deletion gets everything that was missed, conflated.
    const missesDeletion = key === ALL_KEYS && verdict.from < tail.lastValues.tombstone;
    const newest =
      isConflated(key) && !missesDeletion ? changedSince(tail.lastValues, key, verdict.from) : [];
    startAt(key, newest.length > 0 ? tail.last : verdict.from);
    if (newest.length > 0) past.verdicts?.set(topic, { recovered: false, reason: 'conflated' });
    for (const message of newest) changed.add(message);
  }
  if (rewound !== undefined) return rewound.messages;
  if (streamClass === 'state') for (const message of snapshot(tail.lastValues, fresh)) changed.add(message);
  return [...changed].sort((a, b) => a.seq - b.seq);
}
