import type { Position } from '@axiom-streaming/protocol/cursor';
import type { NotRecovered, TopicVerdict } from '@axiom-streaming/protocol/message';
import { ALL_KEYS, type Topic, topicName } from '@axiom-streaming/protocol/topic';
import type { StreamTail } from '../tail/stream-tail.js';
import type { LogTops } from './log-tops.js';

/** Whether everything that matched a topic since a position is still available. */
export type Verdict =
  /** `from`: nothing that matches lies between the position and this seq, so the topic may continue after it. */
  | { readonly recovered: true; readonly from: number }
  | { readonly recovered: false; readonly reason: NotRecovered };

export interface JudgeOptions {
  readonly tops: LogTops;
  /** Most messages of a stream that one recovery may scan. */
  readonly maxMessages: number;
}

/**
 * Judges one key of a stream (`*`: all of them) against a position. The log is asked only where the node's own
 * window and last values do not decide. Never partial: a topic is recovered completely or not at all.
 */
export async function judge(
  tail: StreamTail,
  key: string,
  position: Position | undefined,
  { tops, maxMessages }: JudgeOptions,
): Promise<Verdict> {
  if (position === undefined) return lost('no_position');
  if (position.epoch !== tail.epoch) return lost('epoch_changed');
  const { seq } = position;
  if (seq > tail.last) {
    // Another node may have been a moment ahead of this one; only the log knows whether that message exists.
    const top = await tops.now(tail.stream);
    return top.epoch === position.epoch && seq <= top.top ? recovered(seq) : lost('ahead');
  }
  const newest = key === ALL_KEYS ? tail.last : tail.newestOf(key);
  if (newest <= seq && tail.lostTo <= seq) return recovered(tail.last);
  if (tail.last - seq > maxMessages) return lost('limit');
  if (tail.window.first !== undefined && tail.window.first <= seq + 1) return recovered(seq);
  const top = await tops.recent(tail.stream);
  if (top.epoch !== position.epoch) return lost('epoch_changed');
  return top.first <= seq + 1 ? recovered(seq) : lost('trimmed');
}

/** A verdict as clients see it. */
export function topicVerdict({ stream, key }: Topic, verdict: Verdict | undefined): TopicVerdict {
  const topic = topicName(stream, key);
  if (verdict === undefined) return { topic };
  return verdict.recovered ? { topic, recovered: true } : { topic, recovered: false, reason: verdict.reason };
}

function recovered(from: number): Verdict {
  return { recovered: true, from };
}

function lost(reason: NotRecovered): Verdict {
  return { recovered: false, reason };
}
