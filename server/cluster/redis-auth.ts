/** What the nodes of a cluster share in Redis about tokens: revocations and tickets. */
import type { Identity } from '../auth/claims.js';
import { type Listed, MAX_REVOCATIONS } from '../auth/listed.js';
import type { RevocationStore } from '../auth/revocations.js';
import type { TicketStore } from '../auth/tickets.js';
import { HubError } from '../errors.js';
import { loadScript, type RedisLink } from '../redis/redis-link.js';

const REVOCATIONS = loadScript(import.meta.url, 'revocations.lua');
const REVOCATION_KEYS = ['{axiom}:revocations', '{axiom}:revocations:version'];

export class RedisRevocationStore implements RevocationStore {
  readonly #link: RedisLink;
  /** Starts with a value that Redis never has, so that a Redis that lost its data counts as changed. */
  #version = 'none';

  constructor(link: RedisLink) {
    this.#link = link;
  }

  async add(listed: Listed, needless: readonly Listed[]): Promise<void> {
    const args = ['', JSON.stringify(listed), String(listed.expiresAt), String(MAX_REVOCATIONS)];
    for (const one of needless) args.push(JSON.stringify(one));
    if ((await this.#link.run(REVOCATIONS, REVOCATION_KEYS, args)) === 1) return;
    throw new HubError('overloaded', `there are ${MAX_REVOCATIONS} revocations in force already`);
  }

  async changes(): Promise<readonly Listed[] | undefined> {
    const reply = await this.#link.run(REVOCATIONS, REVOCATION_KEYS, [this.#version, '', '0', '0']);
    const [version, ...revocations] = Array.isArray(reply) ? reply : [];
    if (version === undefined || version === this.#version) return undefined;
    this.#version = String(version);
    return revocations.map((text) => JSON.parse(String(text)) as Listed);
  }
}

/** Tickets: `{axiom:<hash>}:ticket`, expiring; the first request that presents one takes it. */
export class RedisTicketStore implements TicketStore {
  readonly #link: RedisLink;

  constructor(link: RedisLink) {
    this.#link = link;
  }

  async put(ticketHash: string, identity: Identity, lastsMs: number): Promise<void> {
    await this.#link.command(['SET', keyOf(ticketHash), JSON.stringify(identity), 'PX', String(lastsMs)]);
  }

  async take(ticketHash: string): Promise<Identity | null> {
    const text = await this.#link.command(['GETDEL', keyOf(ticketHash)]);
    return text === null ? null : (JSON.parse(String(text)) as Identity);
  }
}

function keyOf(ticketHash: string): string {
  return `{axiom:${ticketHash}}:ticket`;
}
