/**
 * What costs what. One unit is a plain request, about 0.2 ms of a node's CPU time; the other prices follow measured
 * work in proportion. `docs/PROTOCOL.md` has the same table, and a spec compares them.
 */
import type { Work } from '../hub/access.js';

export interface Cost {
  /** How much of it costs one unit. */
  readonly perUnit: number;
  /** For the documents. */
  readonly what: string;
}

const KIB = 1024;

export const COSTS = {
  request: {
    perUnit: 1,
    what: 'a request over HTTP or of a socket, whatever its outcome; not a publication that succeeds, a handshake that is admitted, or `/health/live` and `/health/ready`',
  },
  preflight: { perUnit: 10, what: '`OPTIONS`' },
  health_check: { perUnit: 1, what: '`/health/live`, `/health/ready`: counted apart from everything else' },
  publishes_refused: { perUnit: 1, what: 'a publication that is malformed or not allowed' },
  calls: { perUnit: 0.2, what: 'a call of `/mcp`, beside what it reads' },
  tickets: { perUnit: 0.25, what: 'a ticket' },
  deletions: { perUnit: 0.1, what: 'a key, or what a stream holds, that is deleted' },
  stored_subscriptions: { perUnit: 0.25, what: 'a subscription of event streams that is created' },
  scrapes: { perUnit: 0.04, what: 'an answer of `/metrics`' },
  keys_listed: { perUnit: 200, what: 'keys of a stream that are looked at for a list' },
  topics: { perUnit: 50, what: 'topics that a `subscribe` or `unsubscribe` names' },
  topics_kept: { perUnit: 500, what: 'topics that its connection reads then' },
  messages_walked: { perUnit: 1_000, what: 'messages in memory that are walked over' },
  messages_read: { perUnit: 50, what: 'messages read from the log' },
  messages_written: {
    perUnit: 20,
    what: 'messages in an answer, a snapshot, a rewind or a recovery; live messages cost nothing',
  },
  bytes_read: {
    perUnit: 16 * KIB,
    what: 'bytes of the body of a request, or of a frame of a socket above 8 KiB; not of a publication that succeeds',
  },
  bytes_written: { perUnit: 64 * KIB, what: 'bytes of an answer over HTTP, or of the messages above' },
} as const satisfies Record<Work, Cost> & Record<string, Cost>;

/** The kinds of work that are paid for. */
export type CostName = keyof typeof COSTS;

export const COST_NAMES = Object.keys(COSTS) as readonly CostName[];

/** The price of some work, units. */
export function unitsOf(name: CostName, amount: number): number {
  return amount / COSTS[name].perUnit;
}
