import type { RedisLink } from '../redis/redis-link.js';
import type { SessionStore, StoredSession } from '../transports/socketio/sessions.js';

/** How many renewals run at the same time. */
const RENEW_AT_ONCE = 500;

/** Sessions of the Socket.IO transport, readable by every node: `{axiom:<pid>}:session`, expiring. */
export class RedisSessionStore implements SessionStore {
  readonly #link: RedisLink;
  readonly #lastsMs: string;

  constructor(link: RedisLink, lastsMs: number) {
    this.#link = link;
    this.#lastsMs = String(lastsMs);
  }

  async save(pid: string, session: StoredSession): Promise<void> {
    await this.#link.command(['SET', keyOf(pid), JSON.stringify(session), 'PX', this.#lastsMs]);
  }

  async load(pid: string): Promise<StoredSession | null> {
    const text = await this.#link.command(['GET', keyOf(pid)]);
    return text === null ? null : (JSON.parse(String(text)) as StoredSession);
  }

  async renew(pids: readonly string[]): Promise<void> {
    for (let i = 0; i < pids.length; i += RENEW_AT_ONCE) {
      await Promise.all(
        pids
          .slice(i, i + RENEW_AT_ONCE)
          .map((pid) => this.#link.command(['PEXPIRE', keyOf(pid), this.#lastsMs], 5_000)),
      );
    }
  }

  async remove(pid: string): Promise<void> {
    await this.#link.command(['DEL', keyOf(pid)]);
  }
}

function keyOf(pid: string): string {
  return `{axiom:${pid}}:session`;
}
