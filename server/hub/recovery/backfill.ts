/**
 * What a subscriber gets before it is live: hold → backfill → release → live.
 *
 * Nothing is queued while a reader is held. Its tail goes on, and the recent window keeps what comes; the backfill
 * walks from the first missing seq to the tail's last message, out of the window or, for what is older, the log, and
 * releases the reader in the very turn in which it has caught up. So there is no gap, no duplicate, and no queue to
 * bound. (The usual alternative, a queue of held live messages that is merged and deduplicated at the cutover, needs
 * a bound and an outcome at the bound for each connection.)
 */

import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { GapInfo, NotRecovered } from '@axiom-streaming/protocol/message';
import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import { sleep } from '../../time/backoff.js';
import type { StreamReader } from '../delivery/stream-reader.js';
import type { StreamMessage } from '../tail/stream-message.js';
import type { LogPages } from './log-pages.js';
import type { Turns } from './semaphore.js';

const WINDOW_SLICE = 256;
/** A connection that takes nothing of what waits for it for so long is ended as slow. */
export const STALLED_AFTER_MS = 30_000;
const DRAIN_POLL_MS = 10;

/** Where each key of a held reader starts, and what it gets first. */
export interface BackfillPlan {
  /** By key: messages above this seq are wanted. */
  readonly starts: ReadonlyMap<string, number>;
  /** Snapshot or rewind, ascending by seq. */
  readonly preload: readonly StreamMessage[];
}

export interface BackfillOptions {
  readonly pages: LogPages;
  /** One is taken for each slice of messages, and not while a reader is waited for. */
  readonly turns: Turns;
  /** Writing pauses while a connection has more than this waiting, bytes. */
  readonly pauseBytes: number;
}

/** Writes what the plan says to a held reader, and releases it. @throws HubError where the log cannot be read. */
export async function backfill(
  reader: StreamReader,
  { starts, preload }: BackfillPlan,
  { pages, turns, pauseBytes }: BackfillOptions,
): Promise<void> {
  const { subscriber, tail } = reader;
  const highest = -least([...starts.values()].map((seq) => -seq));
  let position = least(starts.values());
  let preloaded = 0;
  let unchecked = 0;

  const written = async (bytes: number) => {
    unchecked += bytes;
    if (unchecked < pauseBytes / 4) return;
    unchecked = 0;
    if (subscriber.bufferedBytes() <= pauseBytes) return;
    turns.give();
    await whenDrained(reader, pauseBytes);
    await turns.take();
  };
  const write = (message: StreamMessage) => {
    reader.position = message.seq;
    return written(reader.backfill(message));
  };
  const writePreload = () => {
    const message = preload[preloaded++]!;
    reader.position = message.seq;
    return written(reader.preload(message));
  };
  const isWanted = ({ key, seq }: StreamMessage) =>
    reader.wants(key) &&
    (seq > (starts.get(key) ?? Number.POSITIVE_INFINITY) ||
      seq > (starts.get(ALL_KEYS) ?? Number.POSITIVE_INFINITY));

  const writeSlice = async () => {
    if (tail.epoch !== reader.epoch) return;
    const { from, to, messages } = await nextMessages(reader, position, pages);
    if (tail.epoch !== reader.epoch) return;
    if (from > position + 1) announceGap(reader, 'trimmed', position + 1, from - 1);
    for (const message of messages) {
      while (preloaded < preload.length && preload[preloaded]!.seq < message.seq) await writePreload();
      if (preload[preloaded]?.seq === message.seq) await writePreload();
      else if (isWanted(message)) await write(message);
    }
    if (to >= tail.last) while (preloaded < preload.length) await writePreload();
    position = Math.max(position, to);
    reader.position = position;
  };

  while (!subscriber.closed && !subscriber.ended) {
    if (tail.epoch !== reader.epoch) {
      subscriber.release(reader);
      announceLoss(reader, 'epoch_changed');
      return;
    }
    if (tail.last < highest) {
      // The client has seen more on another node than this one has.
      await tail.reach(highest);
      continue;
    }
    if (position >= tail.last && preloaded === preload.length) {
      subscriber.release(reader);
      return;
    }
    await turns.take();
    try {
      await writeSlice();
    } finally {
      turns.give();
    }
  }
}

/** The messages that follow a position, without a pause where the window holds them. `from` shows what is trimmed. */
function nextMessages(
  { tail }: StreamReader,
  position: number,
  pages: LogPages,
):
  | { from: number; to: number; messages: readonly StreamMessage[] }
  | Promise<{ from: number; to: number; messages: readonly StreamMessage[] }> {
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

async function whenDrained({ subscriber }: StreamReader, pauseBytes: number): Promise<void> {
  let before = subscriber.bufferedBytes();
  let stalledMs = 0;
  while (before > pauseBytes && !subscriber.closed && !subscriber.ended) {
    await sleep(DRAIN_POLL_MS);
    const now = subscriber.bufferedBytes();
    stalledMs = now < before ? 0 : stalledMs + DRAIN_POLL_MS;
    before = now;
    if (stalledMs >= STALLED_AFTER_MS) subscriber.close(CLOSE.slow);
  }
}

/** The smallest of any number of values: a call with an argument for each has a limit. */
export function least(values: Iterable<number>): number {
  let smallest = Number.POSITIVE_INFINITY;
  for (const value of values) if (value < smallest) smallest = value;
  return smallest;
}

/**
 * Tells a released reader that it cannot go on from where it was; a `state` stream follows with what is true now, and
 * then the cursor, which until then is that of a life of the log that is over.
 */
export function announceLoss(reader: StreamReader, reason: NotRecovered): void {
  const { subscriber } = reader;
  reader.forget();
  announceGap(reader, reason);
  const messages = reader.streamClass === 'state' ? snapshot(reader, reader.keys) : [];
  if (subscriber.slow) {
    for (const message of messages) reader.take(message);
  } else if (messages.length > 0) {
    // A cut in the middle of it must find the rest again: each message comes with its own place.
    subscriber.hold(reader, messages[0]!.seq - 1);
    for (const message of messages) {
      reader.position = message.seq;
      reader.preload(message);
    }
    subscriber.release(reader);
  }
  subscriber.position();
}

/** Tells a reader of messages that it will not get. */
export function announceGap(
  reader: StreamReader,
  reason: GapInfo['reason'],
  from?: number,
  to?: number,
): void {
  const info: GapInfo = {
    stream: reader.tail.stream,
    topics: reader.topics(),
    recovered: false,
    reason,
    ...(from === undefined || to === undefined ? {} : { from, to }),
    epoch: reader.tail.epoch,
  };
  reader.subscriber.gap(info);
}

/** The newest message of each key, ascending by seq. */
export function snapshot({ tail }: StreamReader, keys: ReadonlySet<string>): StreamMessage[] {
  if (keys.has(ALL_KEYS)) return [...tail.lastValues.values()].sort((a, b) => a.seq - b.seq);
  return [...keys].flatMap((key) => tail.lastValues.get(key) ?? []).sort((a, b) => a.seq - b.seq);
}
