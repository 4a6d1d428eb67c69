import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import type { StreamMessage } from '../tail/stream-message.js';
import type { StreamTail } from '../tail/stream-tail.js';
import type { LogPages } from './log-pages.js';
import type { Walked } from './toll.js';

/** Messages that are taken out of the recent window at a time. */
const WINDOW_SLICE = 256;
/** Messages of the recent window that are looked at, at a time, for those of some keys. */
const WINDOW_SEARCH = 1_024;

/** A stretch of a stream. */
export interface Stretch extends Walked {
  /** Seq of its first message, of whatever key; beyond the one asked for if older ones were trimmed. */
  readonly from: number;
  /** The last seq that it covers. */
  readonly to: number;
  /** Those of the keys that were asked for, ascending by seq. */
  readonly messages: readonly StreamMessage[];
}

/**
 * The messages of some keys of a stream (`*`: of all) that follow a position, as far as one read brings them. At once
 * if the recent window holds them; otherwise from the log.
 *
 * @throws HubError `log_unavailable` if the log cannot be read
 */
export function messagesAfter(
  tail: StreamTail,
  position: number,
  keys: ReadonlySet<string>,
  pages: LogPages,
): Stretch | Promise<Stretch> {
  const from = position + 1;
  if (from > tail.last) return { from, to: position, messages: [], walked: 0, read: 0 };
  const { first } = tail.window;
  if (first !== undefined && first <= from) return fromWindow(tail, from, keys);
  const passed = keys.has(ALL_KEYS) ? undefined : pages.passed(tail, from, keys);
  if (passed !== undefined) return { from, to: passed.to, messages: [], walked: 1, read: 0 };
  return pages.read(tail, from).then(({ page, read }) => {
    const messages: StreamMessage[] = [];
    let begin = 0;
    while (begin < page.length && page.seqAt(begin)! < from) begin += 1;
    for (let i = begin; i < page.length; i++)
      if (keys.has(ALL_KEYS) || keys.has(page.keyAt(i)!)) messages.push(page.message(i));
    return {
      from: page.seqAt(begin) ?? page.to + 1,
      to: page.to,
      messages,
      walked: page.length - begin,
      read,
    };
  });
}

function fromWindow({ window, last }: StreamTail, from: number, keys: ReadonlySet<string>): Stretch {
  if (keys.has(ALL_KEYS)) {
    const messages = window.slice(from, WINDOW_SLICE);
    return { from, to: messages.at(-1)!.seq, messages, walked: messages.length, read: 0 };
  }
  const messages: StreamMessage[] = [];
  const to = Math.min(last, from + WINDOW_SEARCH - 1);
  for (let seq = from; seq <= to; seq++) {
    const message = window.get(seq);
    if (message === undefined) continue;
    if (keys.has(message.key)) messages.push(message);
  }
  return { from, to, messages, walked: to - from + 1, read: 0 };
}
