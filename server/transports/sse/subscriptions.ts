/**
 * Subscriptions by a short id, for an `EventSource` that reads more topics than an address can carry: it has nothing
 * but an address. The topics are kept where all nodes find them. An id that carried them itself would be as long as
 * they are.
 *
 * An id is made of its owner and of what is asked for, so the same request has the same id again, and creating it twice
 * keeps it once. It is no credential: who opens a stream with it must be allowed to read its topics.
 */
import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { HubError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import { Backoff, sleep } from '../../time/backoff.js';

/**
 * How long a subscription is kept after it was created or last used by a stream: longer than a laptop is closed
 * overnight.
 */
export const SUBSCRIPTION_LASTS_MS = 24 * 60 * 60 * 1000;
/** Subscriptions that streams read are written again this often, which also brings back what a Redis has lost, ms. */
const RENEW_EVERY_MS = 5 * 60 * 1000;
/**
 * What the subscriptions of one owner may take together; beyond it those that were not used for the longest time go.
 */
export const OWNER_MAX_BYTES = 8 * 1024 * 1024;
/** What a subscription takes at least, which bounds how many there are. */
export const SUBSCRIPTION_MIN_BYTES = 4 * 1024;
/**
 * What subscriptions that a node has created, and that no stream reads, may take together: strangers have as many addresses
 * as they like. Those that were not used for the longest time go.
 */
const IDLE_MAX_BYTES = 60 * 1024 * 1024;
const ID = /^([\w-]{16})\.([\w-]{22})$/;

/** The two parts of an id. */
export interface SubscriptionId {
  readonly owner: string;
  readonly digest: string;
}

/** Where subscriptions are kept. */
export interface SubscriptionStore {
  /**
   * Keeps a subscription, or keeps it for longer. Bounds what its owner has with {@link OWNER_MAX_BYTES}.
   *
   * @throws HubError `overloaded`, `log_unavailable`
   */
  put(id: SubscriptionId, text: string, lastsMs: number): Promise<void>;
  /** The text of a subscription; null: there is none. @throws HubError `log_unavailable` */
  get(id: SubscriptionId): Promise<string | null>;
  /** Keeps a subscription no longer. @throws HubError `log_unavailable` */
  remove(id: SubscriptionId): Promise<void>;
  /** Calls `listener` when subscriptions may have been lost, for example because the store is another one now. */
  onDoubt(listener: () => void): void;
}

interface Held {
  readonly id: SubscriptionId;
  readonly text: string;
  streams: number;
}

export class Subscriptions {
  readonly #store: SubscriptionStore;
  readonly #logger: Logger;
  /** Those that streams of this node read, by id. */
  readonly #held = new Map<string, Held>();
  /** Those that this node created or held, and that none of its streams reads. */
  readonly #idle: LRUCache<string, SubscriptionId>;
  readonly #stopping = new AbortController();
  #wake = new AbortController();

  /** @param idleMaxBytes default {@link IDLE_MAX_BYTES} */
  constructor(store: SubscriptionStore, logger: Logger, idleMaxBytes = IDLE_MAX_BYTES) {
    this.#store = store;
    this.#logger = logger;
    this.#idle = new LRUCache({
      maxSize: idleMaxBytes,
      dispose: (id, _, reason) => {
        if (reason === 'evict') void this.#remove(id);
      },
    });
    // Before the node of a stream may end, and not only when the next renewal is due.
    store.onDoubt(() => this.#wake.abort());
    void this.#renewRegularly();
  }

  /**
   * Creates a subscription.
   *
   * @param owner whom it counts for: a subject or an address
   * @param text what is asked for, as JSON
   * @returns its id
   * @throws HubError as {@link SubscriptionStore.put}
   */
  async create(owner: string, text: string): Promise<string> {
    const id = { owner: digest(owner).slice(0, 16), digest: digest(text).slice(0, 22) };
    await this.#store.put(id, text, SUBSCRIPTION_LASTS_MS);
    const name = `${id.owner}.${id.digest}`;
    if (!this.#held.has(name)) this.#idle.set(name, id, { size: costOf(text) });
    return name;
  }

  /** What was asked for under this id. @throws HubError `not_found`, `log_unavailable` */
  async find(id: string): Promise<string> {
    const text = this.#held.get(id)?.text ?? (await this.#store.get(parseId(id)));
    if (text !== null) return text;
    throw new HubError(
      'not_found',
      'subscription: it is unknown or was not used for too long; create it again',
      {
        field: 'subscription',
      },
    );
  }

  /** Keeps a subscription while a stream reads it. @returns to be called when the stream has ended */
  hold(id: string, text: string): () => void {
    const held = this.#held.get(id) ?? { id: parseId(id), text, streams: 0 };
    held.streams += 1;
    if (held.streams === 1) {
      this.#held.set(id, held);
      this.#idle.delete(id);
      void this.#keep(held);
    }
    return () => {
      held.streams -= 1;
      if (held.streams > 0) return;
      this.#held.delete(id);
      this.#idle.set(id, held.id, { size: costOf(text) });
    };
  }

  /** Writes those that are held again, one after the other. @throws HubError as {@link SubscriptionStore.put} */
  async renew(): Promise<void> {
    for (const { id, text } of this.#held.values()) await this.#store.put(id, text, SUBSCRIPTION_LASTS_MS);
  }

  close(): void {
    this.#stopping.abort();
    this.#wake.abort();
  }

  async #renewRegularly(): Promise<void> {
    const { signal } = this.#stopping;
    const backoff = new Backoff();
    while (!signal.aborted) {
      await sleep(RENEW_EVERY_MS, this.#wake.signal);
      this.#wake = new AbortController();
      while (!signal.aborted) {
        try {
          await this.renew();
          backoff.reset();
          break;
        } catch (error) {
          if (backoff.failures === 0)
            this.#logger.warn({ error: String(error) }, 'sse: subscriptions could not be renewed');
          await backoff.wait(signal);
        }
      }
    }
  }

  async #remove(id: SubscriptionId): Promise<void> {
    try {
      await this.#store.remove(id);
    } catch (error) {
      // It will expire.
      this.#logger.debug({ error: String(error) }, 'sse: a subscription could not be removed');
    }
  }

  async #keep({ id, text }: Held): Promise<void> {
    try {
      await this.#store.put(id, text, SUBSCRIPTION_LASTS_MS);
    } catch (error) {
      this.#logger.debug({ error: String(error) }, 'sse: a subscription will be renewed later');
      this.#wake.abort();
    }
  }
}

/** @throws HubError `not_found` */
function parseId(text: string): SubscriptionId {
  const [, owner, digest] = ID.exec(text) ?? [];
  if (owner !== undefined && digest !== undefined) return { owner, digest };
  throw new HubError('not_found', 'subscription: this is not an id of POST /stream/subscriptions', {
    field: 'subscription',
  });
}

function digest(text: string): string {
  return hash('sha256', text, 'base64url');
}

/** Subscriptions of a node alone. */
export class MemorySubscriptionStore implements SubscriptionStore {
  /** By owner, then by digest, the one that was not used for the longest time first. */
  readonly #owners = new Map<string, Map<string, { text: string; expiresAt: number }>>();
  readonly #maxBytes: number;
  #bytes = 0;

  /** @param maxBytes of all owners together; default 64 MiB */
  constructor(maxBytes = 64 * 1024 * 1024) {
    this.#maxBytes = maxBytes;
  }

  async put({ owner, digest }: SubscriptionId, text: string, lastsMs: number): Promise<void> {
    this.#drop(owner, digest);
    if (this.#bytes + costOf(text) > this.#maxBytes) this.#dropExpired();
    if (this.#bytes + costOf(text) > this.#maxBytes) {
      throw new HubError('overloaded', 'there are too many subscriptions', { retryAfterMs: 1_000 });
    }
    const own = this.#owners.get(owner) ?? new Map<string, { text: string; expiresAt: number }>();
    this.#owners.set(owner, own);
    own.set(digest, { text, expiresAt: Date.now() + lastsMs });
    this.#bytes += costOf(text);
    let bytes = 0;
    for (const kept of own.values()) bytes += costOf(kept.text);
    for (const [oldest, kept] of own) {
      if (bytes <= OWNER_MAX_BYTES) break;
      bytes -= costOf(kept.text);
      this.#drop(owner, oldest);
    }
  }

  async remove({ owner, digest }: SubscriptionId): Promise<void> {
    this.#drop(owner, digest);
  }

  onDoubt(): void {
    // What this process knows is lost only with it.
  }

  async get({ owner, digest }: SubscriptionId): Promise<string | null> {
    const kept = this.#owners.get(owner)?.get(digest);
    return kept !== undefined && kept.expiresAt > Date.now() ? kept.text : null;
  }

  #dropExpired(): void {
    const now = Date.now();
    for (const [owner, own] of this.#owners)
      for (const [digest, { expiresAt }] of own) if (expiresAt <= now) this.#drop(owner, digest);
  }

  #drop(owner: string, digest: string): void {
    const own = this.#owners.get(owner);
    const kept = own?.get(digest);
    if (own === undefined || kept === undefined) return;
    own.delete(digest);
    this.#bytes -= costOf(kept.text);
    if (own.size === 0) this.#owners.delete(owner);
  }
}

function costOf(text: string): number {
  return Math.max(SUBSCRIPTION_MIN_BYTES, Buffer.byteLength(text));
}
