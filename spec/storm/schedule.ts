import { Random } from './random.js';

/** What can happen to a cluster, and how often beside the others. */
const FAULTS = {
  'node killed': 5,
  'node terminated': 4,
  'redis restarted with its data': 2,
  'redis restarted empty': 1,
  'redis restarted with older data': 1,
  'redis stalled': 2,
  'pub/sub killed': 5,
  'nginx reloaded': 2,
} as const;

export type FaultKind = keyof typeof FAULTS;

/** One fault of a storm. */
export interface Fault {
  /** Since the beginning, ms. */
  readonly atMs: number;
  readonly kind: FaultKind;
  /** 0 ≤ x < 1: which node. */
  readonly target: number;
  /** 0 ≤ x < 1: how long, where the kind has a length. */
  readonly extent: number;
}

/** Faults are so far apart, ms. */
const SHORTEST_REST_MS = 1_000;
const LONGEST_REST_MS = 5_000;
/** Everything is seen once before the first fault, and has time to end after the last. */
const QUIET_MS = 4_000;

/** The faults of a storm of some length: the same for the same seed. */
export function schedule(seed: number, lengthMs: number): Fault[] {
  const random = new Random(seed);
  const faults: Fault[] = [];
  let atMs = QUIET_MS;
  while (atMs < lengthMs - QUIET_MS) {
    faults.push({
      atMs,
      kind: random.weighted(FAULTS),
      target: random.next(),
      extent: random.next(),
    });
    atMs += Math.round(random.between(SHORTEST_REST_MS, LONGEST_REST_MS));
  }
  return faults;
}
