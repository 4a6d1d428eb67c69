/**
 * Tokens that were revoked before they expired, and who is banned for a time. Every node keeps the whole list in
 * memory, because it is checked on every request, and polls for additions a few times a second. Pub/Sub was rejected: a
 * lost announcement would leave a revoked token valid, and with polling no announcement is needed.
 */

import type { Principal } from '../hub/access.js';
import type { Logger } from '../logger.js';
import { Backoff, sleep } from '../time/backoff.js';
import { type Ban, BanHistory, isBan, type Listed, type Revocation, unionOf } from './listed.js';

/** Where revocations are kept for all nodes, or over the restarts of a single one. */
export interface RevocationStore {
  /**
   * @param needless what `listed` takes the place of; kept or not, nothing changes
   * @throws HubError `overloaded` if the maximum number is reached, `log_unavailable` if it could not be kept.
   */
  add(listed: Listed, needless: readonly Listed[]): Promise<void>;
  /** The revocations and bans in force; undefined if none was added since the last call. */
  changes(): Promise<readonly Listed[] | undefined>;
}

const LOOK_EVERY_MS = 300;

export class Revocations {
  readonly #store: RevocationStore;
  readonly #logger: Logger;
  readonly #onChange: () => void;
  readonly #revoked = { jti: new Map<string, Revocation>(), sub: new Map<string, Revocation>() };
  readonly #banned = { sub: new Map<string, BanHistory>(), address: new Map<string, BanHistory>() };
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

  /** Reads the list, then keeps polling. @throws Error if the store cannot be read: nothing may be served then. */
  async start(): Promise<void> {
    await this.#look();
    void this.#lookRegularly();
  }

  stop(): void {
    this.#stopping.abort();
  }

  /**
   * Resolves when this node applies it; the other nodes do within a second. What was revoked for longer stays so.
   *
   * @returns what is in force now
   * @throws HubError as the store does.
   */
  async revoke(added: Revocation): Promise<Revocation> {
    const known = this.#revoked[added.kind].get(added.value);
    const revocation = unionOf(known, added);
    await this.#add(revocation, known === undefined ? [] : [known]);
    return revocation;
  }

  /**
   * Keeps a subject or an address away for a time from now, or for longer if it is so already; zero ends that.
   *
   * @returns when it ends, ms since the Unix epoch
   * @throws HubError as the store does.
   */
  async ban(who: 'sub' | 'address', value: string, forMs: number): Promise<number> {
    const history = this.#banned[who].get(value) ?? new BanHistory();
    // Later than what another node has decided, whose clock may be ahead.
    const at = Math.max(Date.now(), history.at + 1);
    const until = forMs === 0 ? at : Math.max(at + forMs, history.until);
    const ban: Ban = {
      kind: `banned_${who}`,
      value,
      at,
      until,
      expiresAt: Math.max(until, history.expiresAt),
    };
    await this.#add(
      ban,
      history.bans.filter((known) => !history.with(ban).bans.includes(known)),
    );
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

  /** Whether a principal's token or key was revoked. */
  revokes({ subject, tokenId, issuedAt }: Principal): boolean {
    const { jti, sub } = this.#revoked;
    if (subject === undefined || (jti.size === 0 && sub.size === 0)) return false;
    if (tokenId !== undefined && jti.has(tokenId)) return true;
    const revocation = sub.get(subject);
    return revocation !== undefined && issuedAt <= revocation.at;
  }

  async #add(listed: Listed, needless: readonly Listed[]): Promise<void> {
    await this.#store.add(listed, needless);
    this.#take(listed);
    this.#onChange();
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
    if (!isBan(listed)) {
      const map = this.#revoked[listed.kind];
      map.set(listed.value, unionOf(map.get(listed.value), listed));
    } else {
      const map = this.#banned[listed.kind === 'banned_sub' ? 'sub' : 'address'];
      map.set(listed.value, (map.get(listed.value) ?? new BanHistory()).with(listed));
    }
  }

  #lists(): Map<string, { readonly expiresAt: number }>[] {
    return [this.#revoked.jti, this.#revoked.sub, this.#banned.sub, this.#banned.address];
  }

  #expire(): void {
    const now = Date.now();
    for (const map of this.#lists()) {
      for (const [value, { expiresAt }] of map) if (expiresAt <= now) map.delete(value);
    }
  }
}
