import { loadScript, type RedisLink, type Reply } from '../redis/redis-link.js';
import type { Kept, SessionStore, StoredSession } from '../transports/socketio/sessions.js';

const SESSION = loadScript(import.meta.url, 'session.lua');
/** How many renewals run at the same time. */
const RENEW_AT_ONCE = 500;
const RENEW_WITHIN_MS = 5_000;

/** Sessions of the Socket.IO transport, for every node: `{axiom:<pid>}:session`, expiring. */
export class RedisSessionStore implements SessionStore {
  readonly #link: RedisLink;
  readonly #lastsMs: string;

  constructor(link: RedisLink, lastsMs: number) {
    this.#link = link;
    this.#lastsMs = String(lastsMs);
  }

  async save(pid: string, owner: string, { subject = '', ...session }: StoredSession): Promise<Kept> {
    return keptOf(await this.#run(pid, 'save', owner, [subject, JSON.stringify({ ...session, subject })]));
  }

  async take(
    pid: string,
    owner: string,
    subject: string | undefined,
  ): Promise<StoredSession | 'denied' | null> {
    const reply = await this.#run(pid, 'take', owner, [subject ?? '']);
    if (typeof reply !== 'string') return reply === -1 ? 'denied' : null;
    const session = JSON.parse(reply) as StoredSession;
    return { ...session, subject: session.subject === '' ? undefined : session.subject };
  }

  async renew(sessions: readonly { readonly pid: string; readonly owner: string }[]): Promise<Kept[]> {
    const all: Kept[] = [];
    for (let i = 0; i < sessions.length; i += RENEW_AT_ONCE) {
      const some = sessions.slice(i, i + RENEW_AT_ONCE);
      const replies = await Promise.all(
        some.map(({ pid, owner }) => this.#run(pid, 'renew', owner, [], RENEW_WITHIN_MS)),
      );
      all.push(...replies.map(keptOf));
    }
    return all;
  }

  async remove(pid: string, owner: string): Promise<void> {
    await this.#run(pid, 'remove', owner, []);
  }

  onDoubt(listener: () => void): void {
    this.#link.on('changed', listener);
  }

  #run(
    pid: string,
    operation: string,
    owner: string,
    args: readonly string[],
    withinMs?: number,
  ): Promise<Reply> {
    const all = [operation, owner, this.#lastsMs, ...args];
    return this.#link.run(SESSION, [`{axiom:${pid}}:session`], all, withinMs);
  }
}

function keptOf(reply: Reply): Kept {
  return reply === 1 ? 'kept' : reply === 0 ? 'missing' : 'taken';
}
