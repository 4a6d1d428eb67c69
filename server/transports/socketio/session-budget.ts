/**
 * What the sessions of a node's clients may take in the store. Clients choose how much their sessions take, and leave them
 * behind when they go: without a bound, an address that connects and goes again fills the store.
 *
 * Each node bounds what its own connections write, so nothing has to be counted in the store, and what a killed node has
 * left behind expires. A session counts for its client's address and for its subject.
 */
import type { StoredSession } from './sessions.js';

/** One account, an address or a subject, may have this part of what a node may have. */
const ACCOUNT_PART = 1 / 4;
/** What a session takes besides its texts: keys, an expiry, a hash. */
const SESSION_BYTES = 300;
const TOPIC_BYTES = 4;
const CONFLATION_BYTES = 40;

/** A session that is to be removed from the store. */
export interface Evicted {
  readonly pid: string;
  readonly owner: string;
}

/** A session that is to be written. */
export interface Claim extends Evicted {
  /** Whom it counts for: an address, a subject. */
  readonly accounts: readonly string[];
  readonly bytes: number;
}

interface Entry extends Claim {
  /** When a parked session ends, by the budget's clock, ms; undefined while its connection lives. */
  endsAt?: number;
}

export interface SessionBudgetOptions {
  /** Of all sessions that this node's connections have written and that have not expired, bytes. */
  readonly maxBytes: number;
  /** How long the store keeps a session whose connection is gone, ms. */
  readonly lastsMs: number;
  /** ms of a clock that is never set; default `performance.now` */
  readonly now?: () => number;
}

/** The bytes that a session is counted with. */
export function bytesOf({ topics, cursor, conflations = {} }: StoredSession): number {
  let bytes = SESSION_BYTES + cursor.length + Object.keys(conflations).length * CONFLATION_BYTES;
  for (const topic of topics) bytes += topic.length + TOPIC_BYTES;
  return bytes;
}

/** What an address or a subject has. */
interface Account {
  bytes: number;
  /** Sessions whose connection is gone, the oldest first. */
  readonly parked: Set<Entry>;
}

export class SessionBudget {
  readonly #maxBytes: number;
  readonly #lastsMs: number;
  readonly #now: () => number;
  readonly #entries = new Map<string, Entry>();
  readonly #accounts = new Map<string, Account>();
  readonly #all: Account = { bytes: 0, parked: new Set() };

  constructor({ maxBytes, lastsMs, now = () => performance.now() }: SessionBudgetOptions) {
    this.#maxBytes = maxBytes;
    this.#lastsMs = lastsMs;
    this.#now = now;
  }

  /** Of all sessions that are counted. */
  get bytes(): number {
    return this.#all.bytes;
  }

  /**
   * Counts the session of a living connection, in place of what was counted for it before. Sessions whose connection is
   * gone make room for it, the oldest first: those of its accounts where they have their part already, then any.
   *
   * @returns the sessions that have to go, and whether there is room now; if not, nothing is counted for it
   */
  claim(session: Claim): { readonly fits: boolean; readonly evicted: readonly Evicted[] } {
    this.#expire();
    this.release(session.pid);
    const own = session.accounts.map((name) => this.#account(name));
    const bounds: [Account, number][] = [
      ...own.map((account): [Account, number] => [account, this.#maxBytes * ACCOUNT_PART]),
      [this.#all, this.#maxBytes],
    ];
    const evicted: Evicted[] = [];
    for (const [account, most] of bounds) {
      for (const entry of account.parked) {
        if (account.bytes + session.bytes <= most) break;
        this.release(entry.pid);
        evicted.push({ pid: entry.pid, owner: entry.owner });
      }
    }
    const fits = bounds.every(([account, most]) => account.bytes + session.bytes <= most);
    if (fits) {
      const entry: Entry = { ...session };
      this.#entries.set(session.pid, entry);
      for (const account of this.#accountsOf(entry)) account.bytes += entry.bytes;
    } else {
      this.#forgetEmpty(session.accounts);
    }
    return { fits, evicted };
  }

  /** The connection is gone; its session waits in the store. */
  park(pid: string): void {
    const entry = this.#entries.get(pid);
    if (entry === undefined || entry.endsAt !== undefined) return;
    entry.endsAt = this.#now() + this.#lastsMs;
    for (const account of this.#accountsOf(entry)) account.parked.add(entry);
  }

  /** The session is not in the store any more. */
  release(pid: string): void {
    const entry = this.#entries.get(pid);
    if (entry === undefined) return;
    this.#entries.delete(pid);
    for (const account of this.#accountsOf(entry)) {
      account.bytes -= entry.bytes;
      account.parked.delete(entry);
    }
    this.#forgetEmpty(entry.accounts);
  }

  #accountsOf({ accounts }: Entry): Account[] {
    return [...accounts.map((name) => this.#account(name)), this.#all];
  }

  #account(name: string): Account {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const account: Account = { bytes: 0, parked: new Set() };
    this.#accounts.set(name, account);
    return account;
  }

  #forgetEmpty(names: readonly string[]): void {
    for (const name of names) if (this.#accounts.get(name)?.bytes === 0) this.#accounts.delete(name);
  }

  /** Of those that were parked first, the first end first. */
  #expire(): void {
    const now = this.#now();
    for (const { pid, endsAt = 0 } of this.#all.parked) {
      if (endsAt > now) return;
      this.release(pid);
    }
  }
}
