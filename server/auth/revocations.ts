/**
 * Tokens that were revoked before they expired. Every node keeps the whole list in memory, because it is checked on
 * every request, and polls for additions a few times a second. Pub/Sub was rejected: a lost announcement would leave a
 * revoked token valid, and with polling no announcement is needed.
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

/** Where revocations are kept for all nodes. */
export interface RevocationStore {
  /** @throws HubError `overloaded` if the maximum number is reached, `log_unavailable`. */
  add(revocation: Revocation): Promise<void>;
  /** The revocations in force; undefined if none was added since the last call. */
  changes(): Promise<readonly Revocation[] | undefined>;
}

/** Maximum number of revocations in force at a time. */
export const MAX_REVOCATIONS = 100_000;
const LOOK_EVERY_MS = 300;

export class Revocations {
  readonly #store: RevocationStore;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #byId = new Map<string, Revocation>();
  readonly #bySubject = new Map<string, Revocation>();
  readonly #stopping = new AbortController();

  /** @param options.onChange called when revocations were added, which may affect open connections */
  constructor(options: { store: RevocationStore; logger: Logger; onChange: () => void }) {
    this.#store = options.store;
    this.#logger = options.logger;
    this.#onChange = options.onChange;
  }

  get count(): number {
    return this.#byId.size + this.#bySubject.size;
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
  async add(revocation: Revocation): Promise<void> {
    await this.#store.add(revocation);
    this.#take(revocation);
    this.#onChange();
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
    for (const revocation of changes) this.#take(revocation);
    this.#onChange();
  }

  #take(revocation: Revocation): void {
    const map = revocation.kind === 'jti' ? this.#byId : this.#bySubject;
    const known = map.get(revocation.value);
    if (known === undefined || known.at <= revocation.at) map.set(revocation.value, revocation);
  }

  #expire(): void {
    const now = Date.now();
    for (const map of [this.#byId, this.#bySubject]) {
      for (const [value, { expiresAt }] of map) if (expiresAt <= now) map.delete(value);
    }
  }
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
