import type { StreamMessage } from '../tail/stream-message.js';
import type { StreamTail } from '../tail/stream-tail.js';
import type { LogPages } from './log-pages.js';

/** Messages that are taken out of the recent window at a time. */
const WINDOW_SLICE = 256;

/** A stretch of a stream. */
export interface Stretch {
  /** Seq of its first message; beyond the one asked for if older ones were trimmed. */
  readonly from: number;
  /** The last seq that it covers. */
  readonly to: number;
  /** Ascending by seq. */
  readonly messages: readonly StreamMessage[];
}

/**
 * The messages of a stream that follow a position, as far as one read brings them. At once if the recent window
 * holds them; otherwise from the log.
 *
 * @throws HubError `log_unavailable` if the log cannot be read
 */
export function messagesAfter(
  tail: StreamTail,
  position: number,
  pages: LogPages,
): Stretch | Promise<Stretch> {
  const from = position + 1;
  if (from > tail.last) return { from, to: position, messages: [] };
  const { first } = tail.window;
  if (first !== undefined && first <= from) {
    const messages = tail.window.slice(from, WINDOW_SLICE);
    return { from, to: messages.at(-1)!.seq, messages };
  }
  return pages.read(tail, from).then((page) => {
    const messages = page.messages.filter(({ seq }) => seq >= from);
    return { from: messages[0]?.seq ?? page.to + 1, to: page.to, messages };
  });
}
