/**
 * What the list of revocations and bans has, and how two entries about the same thing become one: always the union, so
 * that it does not matter in which order a node hears of them, nor whether the clocks of the nodes agree.
 */

/**
 * One token, by its `jti`; one API key, by its hash, which takes the place of a `jti`; or all tokens of a subject that
 * were issued up to a moment.
 */
export interface Revocation {
  readonly kind: 'jti' | 'sub';
  readonly value: string;
  /** Of a subject: tokens issued up to then are revoked, ms since the Unix epoch. */
  readonly at: number;
  /** When the last of the revoked tokens will have expired, ms since the Unix epoch; {@link FOREVER} for a key. */
  readonly expiresAt: number;
}

/** A subject, or an address as connections are counted under, that is kept away with any token and without one. */
export interface Ban {
  readonly kind: 'banned_sub' | 'banned_address';
  readonly value: string;
  /** When it was decided, ms since the Unix epoch. */
  readonly at: number;
  /** When it ends, ms since the Unix epoch. Not after `at`: it lifts every earlier ban. */
  readonly until: number;
  /** Kept until both it and the bans that it lifts have ended, ms since the Unix epoch. */
  readonly expiresAt: number;
}

/** What the list has. */
export type Listed = Revocation | Ban;

export function isBan(listed: Listed): listed is Ban {
  return 'until' in listed;
}

/** The end of what does not end: the last moment that a `Date` can have, ms since the Unix epoch. */
export const FOREVER = 8_640_000_000_000_000;

/** Maximum number of revocations and bans in force at a time. */
export const MAX_REVOCATIONS = 100_000;

/** Both revocations of the same tokens as one: neither can shorten the other. */
export function unionOf(known: Revocation | undefined, added: Revocation): Revocation {
  if (known === undefined) return added;
  return {
    ...added,
    at: Math.max(known.at, added.at),
    expiresAt: Math.max(known.expiresAt, added.expiresAt),
  };
}

/** The bans of one subject or address, and what follows from them. Immutable. */
export class BanHistory {
  /** Those that none of the others makes needless. */
  readonly bans: readonly Ban[];
  /** When the last one ends that was not lifted, ms since the Unix epoch; 0: there is none. */
  readonly until: number;
  /** When nothing has to be remembered any more, ms since the Unix epoch. */
  readonly expiresAt: number;

  constructor(bans: readonly Ban[] = []) {
    this.bans = bans.filter((ban, i) => !bans.some((other, j) => makesNeedless(other, ban, j < i)));
    this.until = Math.max(0, ...this.bans.map((ban) => (lifts(ban) ? 0 : ban.until)));
    this.expiresAt = Math.max(0, ...this.bans.map(({ expiresAt }) => expiresAt));
  }

  /** The newest decision, ms since the Unix epoch; 0: none. */
  get at(): number {
    return Math.max(0, ...this.bans.map(({ at }) => at));
  }

  with(ban: Ban): BanHistory {
    return new BanHistory([...this.bans, ban]);
  }
}

function lifts({ at, until }: Ban): boolean {
  return until <= at;
}

/** @param first whether `other` precedes `ban`, which decides between equal ones */
function makesNeedless(other: Ban, ban: Ban, first: boolean): boolean {
  if (other === ban) return false;
  if (other.at === ban.at && other.until === ban.until) return first;
  if (lifts(other)) return other.at >= ban.at;
  return !lifts(ban) && other.at >= ban.at && other.until >= ban.until;
}
