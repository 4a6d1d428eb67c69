/**
 * What a demo feed is: a function from a tick to the messages of that tick.
 *
 * No feed keeps a state, so any node can go on where another one stopped, and two nodes that both believe to hold the
 * lease publish the same messages under the same ids, which commits them once. A feed that counted on from its last
 * message would need that count handed over; here the clock hands it over.
 */
import type { Publication } from '../hub/operations/publisher.js';

/** A demo feed. Tick n is the time from `n * intervalMs` to `(n + 1) * intervalMs`, ms since the Unix epoch. */
export interface Feed {
  readonly name: string;
  readonly intervalMs: number;
  /** The messages of one tick, in the order in which they are to be committed. Often called; must be quick. */
  at(tick: number): Publication[];
}

/** The idempotent id of a feed's message; `kind` tells several messages of one key and tick apart. */
export function publicationId(feed: string, key: string, tick: number, kind?: string): string {
  const id = `feed-${feed}-${key}-${tick}`;
  return kind === undefined ? id : `${id}-${kind}`;
}

/** The row of a table of `rows` rows that a tick shows: the table is read round and round. */
export function rowAt(tick: number, rows: number): number {
  return tick % rows;
}
