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

  async save(pid: string, owner: string, session: StoredSession): Promise<Kept> {
    return keptOf(await this.#run(pid, 'save', owner, [session.subject ?? '', sessionText(session)]));
  }

  async take(
    pid: string,
    owner: string,
    subject: string | undefined,
  ): Promise<StoredSession | 'denied' | null> {
    const reply = await this.#run(pid, 'take', owner, [subject ?? '']);
    if (typeof reply !== 'string') return reply === -1 ? 'denied' : null;
    return readSession(reply);
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

/** What is stored: the topics by stream, whose name is then there once. */
interface SessionText extends Omit<StoredSession, 'topics'> {
  readonly keys?: Readonly<Record<string, readonly string[]>>;
  /** As nodes before 0.2 wrote it. */
  readonly topics?: readonly string[];
}

function sessionText({ topics, ...session }: StoredSession): string {
  const keys = new Map<string, string[]>();
  for (const topic of topics) {
    const at = topic.indexOf(':');
    const stream = topic.slice(0, at);
    const its = keys.get(stream) ?? [];
    keys.set(stream, its);
    its.push(topic.slice(at + 1));
  }
  return JSON.stringify({ ...session, keys: Object.fromEntries(keys) } satisfies SessionText);
}

function readSession(text: string): StoredSession {
  const { keys = {}, topics = [], subject, ...session } = JSON.parse(text) as SessionText;
  const all = Object.entries(keys).flatMap(([stream, its]) => its.map((key) => `${stream}:${key}`));
  return { ...session, topics: [...topics, ...all], subject: subject === '' ? undefined : subject };
}

function keptOf(reply: Reply): Kept {
  return reply === 1 ? 'kept' : reply === 0 ? 'missing' : 'taken';
}
