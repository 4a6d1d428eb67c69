/**
 * What a demo feed is: a function from a tick to the messages of that tick.
 *
 * Feeds are stateless, so any node can continue where another one stopped, and two nodes that both believe that they
 * hold the lease publish the same messages with the same ids, which commits them once. A feed that counted its own
 * messages would have to hand over its count; here the clock is the count.
 */
import type { Publication } from '../hub/operations/publisher.js';

/** A demo feed. Tick n is the time from `n * intervalMs` to `(n + 1) * intervalMs`, ms since the Unix epoch. */
export interface Feed {
  readonly name: string;
  readonly intervalMs: number;
  /** The messages of one tick, in the order in which they are to be committed. Called often, so it must be quick. */
  at(tick: number): Publication[];
}

/** The idempotency id of a feed's message; `kind` distinguishes several messages of one key and tick. */
export function publicationId(feed: string, key: string, tick: number, kind?: string): string {
  const id = `feed-${feed}-${key}-${tick}`;
  return kind === undefined ? id : `${id}-${kind}`;
}

/** The row that a tick shows, of a table of `rows` rows that is read in a loop. */
export function rowAt(tick: number, rows: number): number {
  return tick % rows;
}
