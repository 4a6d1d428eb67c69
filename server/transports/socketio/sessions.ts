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
  /** Its subject. Missing: anybody who knows the id may take it up. */
  readonly subject?: string | undefined;
}

/**
 * What became of a session that its connection wanted to keep. `taken`: another connection has taken it up since, and
 * nothing was changed.
 */
export type Kept = 'kept' | 'missing' | 'taken';

/**
 * Each session has one owner: the connection that took it up last. What an older connection writes or says about it,
 * which may arrive late and from another node, is not heard.
 */
export interface SessionStore {
  /**
   * Writes a session that is the owner's, or nobody's; it expires after the store's lifetime.
   *
   * @throws HubError `log_unavailable`.
   */
  save(pid: string, owner: string, session: StoredSession): Promise<Kept>;
  /**
   * Makes `owner` the owner of a session.
   *
   * @param subject who wants it; a session of another subject is `denied`, and left alone
   * @throws HubError `log_unavailable`.
   */
  take(pid: string, owner: string, subject: string | undefined): Promise<StoredSession | 'denied' | null>;
  /** Extends the sessions of open connections, each by its owner. @returns what became of each, in their order */
  renew(sessions: readonly { readonly pid: string; readonly owner: string }[]): Promise<Kept[]>;
  remove(pid: string, owner: string): Promise<void>;
  /** Calls `listener` when sessions may have been lost, for example because the store is another one now. */
  onDoubt(listener: () => void): void;
}

interface Held {
  readonly owner: string;
  readonly session: StoredSession;
  /** By the store's clock, ms. */
  readonly expires: number;
}

/** Sessions of one node without Redis: enough for a client that loses its connection and returns. */
export class MemorySessionStore implements SessionStore {
  readonly #sessions = new Map<string, Held>();
  readonly #lastsMs: number;
  readonly #now: () => number;

  /** @param now ms of a clock that is never set */
  constructor(lastsMs: number, now: () => number = () => performance.now()) {
    this.#lastsMs = lastsMs;
    this.#now = now;
  }

  async save(pid: string, owner: string, session: StoredSession): Promise<Kept> {
    this.#expire();
    const held = this.#sessions.get(pid);
    if (held !== undefined && held.owner !== owner) return 'taken';
    this.#put(pid, owner, session);
    return 'kept';
  }

  async take(
    pid: string,
    owner: string,
    subject: string | undefined,
  ): Promise<StoredSession | 'denied' | null> {
    this.#expire();
    const held = this.#sessions.get(pid);
    if (held === undefined) return null;
    if (held.session.subject !== undefined && held.session.subject !== subject) return 'denied';
    this.#put(pid, owner, held.session);
    return held.session;
  }

  async renew(sessions: readonly { readonly pid: string; readonly owner: string }[]): Promise<Kept[]> {
    this.#expire();
    return sessions.map(({ pid, owner }) => {
      const held = this.#sessions.get(pid);
      if (held === undefined) return 'missing';
      if (held.owner !== owner) return 'taken';
      this.#put(pid, owner, held.session);
      return 'kept';
    });
  }

  async remove(pid: string, owner: string): Promise<void> {
    if (this.#sessions.get(pid)?.owner === owner) this.#sessions.delete(pid);
  }

  onDoubt(): void {
    // The store and the node are one process.
  }

  /** Puts a session at the end: the map stays in the order of expiry. */
  #put(pid: string, owner: string, session: StoredSession): void {
    this.#sessions.delete(pid);
    this.#sessions.set(pid, { owner, session, expires: this.#now() + this.#lastsMs });
  }

  #expire(): void {
    const now = this.#now();
    for (const [pid, { expires }] of this.#sessions) {
      if (expires > now) return;
      this.#sessions.delete(pid);
    }
  }
}
