import type { Conflation } from '../../hub/queues/conflator.js';

/**
 * Sessions: the state that a Socket.IO client may resume on any node. Written when its subscriptions change, not when
 * it disconnects, because a killed node never sees the disconnect.
 */
export interface StoredSession {
  /** Socket.IO id, which the client keeps. */
  readonly sid: string;
  readonly topics: readonly string[];
  /** The conflated topics. Missing: none is conflated. */
  readonly conflations?: Readonly<Record<string, Conflation>>;
  /** Where the connection stood in its streams when the session was written. */
  readonly cursor: string;
}

export interface SessionStore {
  /** Writes a session; it expires after the store's lifetime. @throws HubError `log_unavailable`. */
  save(pid: string, session: StoredSession): Promise<void>;
  /** @throws HubError `log_unavailable`. */
  load(pid: string): Promise<StoredSession | null>;
  /** Extends the sessions of open connections. */
  renew(pids: readonly string[]): Promise<void>;
  remove(pid: string): Promise<void>;
}

/** Sessions of one node without Redis: enough for a client that loses its connection and returns. */
export class MemorySessionStore implements SessionStore {
  readonly #sessions = new Map<string, { session: StoredSession; expires: number }>();
  readonly #lastsMs: number;
  readonly #now: () => number;

  constructor(lastsMs: number, now: () => number = Date.now) {
    this.#lastsMs = lastsMs;
    this.#now = now;
  }

  async save(pid: string, session: StoredSession): Promise<void> {
    this.#expire();
    this.#put(pid, session);
  }

  async load(pid: string): Promise<StoredSession | null> {
    this.#expire();
    return this.#sessions.get(pid)?.session ?? null;
  }

  async renew(pids: readonly string[]): Promise<void> {
    for (const pid of pids) {
      const known = this.#sessions.get(pid);
      if (known !== undefined) this.#put(pid, known.session);
    }
    this.#expire();
  }

  async remove(pid: string): Promise<void> {
    this.#sessions.delete(pid);
  }

  /** Puts a session at the end: the map stays in the order of expiry. */
  #put(pid: string, session: StoredSession): void {
    this.#sessions.delete(pid);
    this.#sessions.set(pid, { session, expires: this.#now() + this.#lastsMs });
  }

  #expire(): void {
    const now = this.#now();
    for (const [pid, { expires }] of this.#sessions) {
      if (expires > now) return;
      this.#sessions.delete(pid);
    }
  }
}
