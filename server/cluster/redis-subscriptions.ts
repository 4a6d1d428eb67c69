/** Subscriptions of event streams that all nodes know: `{axiom:<owner>}:subscription:<digest>`, expiring. */
import { loadScript, type RedisLink } from '../redis/redis-link.js';
import type { SubscriptionId, SubscriptionStore } from '../transports/sse/subscriptions.js';

const PUT = loadScript(import.meta.url, 'subscription.lua');

export class RedisSubscriptionStore implements SubscriptionStore {
  readonly #link: RedisLink;
  readonly #bounds: readonly string[];

  /** @param bounds of an owner: most bytes of all subscriptions, and the least that one counts */
  constructor(link: RedisLink, bounds: { readonly maxBytes: number; readonly minBytes: number }) {
    this.#link = link;
    this.#bounds = [String(bounds.maxBytes), String(bounds.minBytes)];
  }

  async put({ owner, digest }: SubscriptionId, text: string, lastsMs: number): Promise<void> {
    const prefix = prefixOf(owner);
    const keys = [`{axiom:${owner}}:subscriptions`, prefix + digest];
    await this.#link.run(PUT, keys, [digest, text, String(lastsMs), ...this.#bounds, prefix]);
  }

  async get({ owner, digest }: SubscriptionId): Promise<string | null> {
    const text = await this.#link.command(['GET', prefixOf(owner) + digest]);
    return text === null ? null : String(text);
  }

  async remove({ owner, digest }: SubscriptionId): Promise<void> {
    await this.#link.command(['DEL', prefixOf(owner) + digest]);
  }

  onDoubt(listener: () => void): void {
    this.#link.on('changed', listener);
  }
}

/** What comes before the digest. The keys of an owner are in one slot of a Redis Cluster. */
function prefixOf(owner: string): string {
  return `{axiom:${owner}}:subscription:`;
}
