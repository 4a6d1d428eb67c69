/**
 * Tokens that were revoked before they expired, and who is banned for a time. Every node keeps the whole list in
 * memory, because it is checked on every request, and polls for additions a few times a second. Pub/Sub was rejected: a
 * lost announcement would leave a revoked token valid, and with polling no announcement is needed.
 */

import type { Principal } from '../hub/access.js';
import type { Logger } from '../logger.js';
import { Backoff, sleep } from '../time/backoff.js';

/** One token, by its `jti`; or all tokens of a subject that were issued up to now. */
export interface Revocation {
  readonly kind: 'jti' | 'sub';
  readonly value: string;
  /** When it was revoked, ms since the Unix epoch. */
  readonly at: number;
  /** When the last of the revoked tokens will have expired, ms since the Unix epoch. */
  readonly expiresAt: number;
}

/** A subject, or an address as connections are counted under, that is kept away with any token and without one. */
export interface Ban {
  readonly kind: 'banned_sub' | 'banned_address';
  readonly value: string;
  /** When it was decided, ms since the Unix epoch. The newest one counts. */
  readonly at: number;
  /** When it ends, ms since the Unix epoch. */
  readonly until: number;
  /** Kept until both it and the ban that it replaces have ended, ms since the Unix epoch. */
  readonly expiresAt: number;
}

/** What the list has. */
export type Listed = Revocation | Ban;

/** Where revocations are kept for all nodes. */
export interface RevocationStore {
  /** @throws HubError `overloaded` if the maximum number is reached, `log_unavailable`. */
  add(listed: Listed): Promise<void>;
  /** The revocations and bans in force; undefined if none was added since the last call. */
  changes(): Promise<readonly Listed[] | undefined>;
}

/** Maximum number of revocations and bans in force at a time. */
export const MAX_REVOCATIONS = 100_000;
const LOOK_EVERY_MS = 300;

export class Revocations {
  readonly #store: RevocationStore;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #byId = new Map<string, Revocation>();
  readonly #bySubject = new Map<string, Revocation>();
  readonly #banned = { sub: new Map<string, Ban>(), address: new Map<string, Ban>() };
  readonly #stopping = new AbortController();

  /** @param options.onChange called when revocations were added, which may affect open connections */
  constructor(options: { store: RevocationStore; logger: Logger; onChange: () => void }) {
    this.#store = options.store;
    this.#logger = options.logger;
    this.#onChange = options.onChange;
  }

  get count(): number {
    return this.#lists().reduce((sum, { size }) => sum + size, 0);
  }

  /** Reads the list, then keeps polling. @throws HubError if the store is unreachable: nothing may be served then. */
  async start(): Promise<void> {
    await this.#look();
    void this.#lookRegularly();
  }

  stop(): void {
    this.#stopping.abort();
  }

  /** Resolves when this node applies it; the other nodes do within a second. @throws HubError as the store does. */
  async add(listed: Listed): Promise<void> {
    await this.#store.add(listed);
    this.#take(listed);
    this.#onChange();
  }

  /**
   * Keeps a subject or an address away for a time from now; zero ends that. As {@link add}.
   *
   * @returns when it ends, ms since the Unix epoch
   */
  async ban(who: 'sub' | 'address', value: string, forMs: number): Promise<number> {
    const at = Date.now();
    const until = at + forMs;
    const expiresAt = Math.max(until, this.#banned[who].get(value)?.expiresAt ?? 0);
    await this.add({ kind: `banned_${who}`, value, at, until, expiresAt });
    return until;
  }

  /** How much longer a subject or an address is kept away, ms; 0: it is not. */
  bannedForMs(subject: string | undefined, address: string): number {
    const { sub, address: addresses } = this.#banned;
    if (sub.size === 0 && addresses.size === 0) return 0;
    const until = Math.max(
      addresses.get(address)?.until ?? 0,
      subject === undefined ? 0 : (sub.get(subject)?.until ?? 0),
    );
    return Math.max(0, until - Date.now());
  }

  /** Whether a principal's token was revoked. */
  revokes({ subject, tokenId, issuedAt }: Principal): boolean {
    if (subject === undefined || this.count === 0) return false;
    if (tokenId !== undefined && this.#byId.has(tokenId)) return true;
    const revocation = this.#bySubject.get(subject);
    return revocation !== undefined && issuedAt <= revocation.at;
  }

  async #lookRegularly(): Promise<void> {
    const { signal } = this.#stopping;
    const backoff = new Backoff();
    let failing = false;
    while (!signal.aborted) {
      try {
        await sleep(LOOK_EVERY_MS, signal);
        if (signal.aborted) return;
        await this.#look();
        failing = false;
      } catch (error) {
        if (!failing) this.#logger.warn({ error: String(error) }, 'auth: cannot read revocations');
        failing = true;
        await backoff.wait(signal);
      }
    }
  }

  async #look(): Promise<void> {
    const changes = await this.#store.changes();
    this.#expire();
    if (changes === undefined) return;
    for (const listed of changes) this.#take(listed);
    this.#onChange();
  }

  #take(listed: Listed): void {
    if (listed.kind === 'jti') keepNewest(this.#byId, listed);
    else if (listed.kind === 'sub') keepNewest(this.#bySubject, listed);
    else keepNewest(this.#banned[listed.kind === 'banned_sub' ? 'sub' : 'address'], listed);
  }

  #lists(): Map<string, Listed>[] {
    return [this.#byId, this.#bySubject, this.#banned.sub, this.#banned.address] as Map<string, Listed>[];
  }

  #expire(): void {
    const now = Date.now();
    for (const map of this.#lists()) {
      for (const [value, { expiresAt }] of map) if (expiresAt <= now) map.delete(value);
    }
  }
}

function keepNewest<T extends Listed>(map: Map<string, T>, listed: T): void {
  const known = map.get(listed.value);
  if (known === undefined || known.at <= listed.at) map.set(listed.value, listed);
}

/** For a single node: the list in {@link Revocations} is the only copy. */
export class MemoryRevocationStore implements RevocationStore {
  async add(): Promise<void> {
    // {@link Revocations}, its only reader, has it already.
  }

  async changes(): Promise<undefined> {
    return undefined;
  }
}
