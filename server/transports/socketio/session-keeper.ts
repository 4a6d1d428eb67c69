/**
 * Keeps the sessions of a node's Socket.IO connections in the store: written when subscriptions change, extended while
 * the connection lives, and written again where the store has lost them or was out of reach.
 */
import { EMPTY_CURSOR, formatCursor, parseCursor } from '@axiom-streaming/protocol/cursor';
import type { Socket } from 'socket.io';
import type { ClientConnection } from '../../auth/client-connections.js';
import type { Subscriber } from '../../hub/delivery/subscriber.js';
import type { Logger } from '../../logger.js';
import { Backoff, sleep } from '../../time/backoff.js';
import { bytesOf, type Evicted, type SessionBudget } from './session-budget.js';
import type { SessionStore, StoredSession } from './sessions.js';

/** Who has a session, and from where it was taken up. */
export interface Ownership {
  /** Unique to the connection. */
  readonly owner: string;
  /** The cursor from which the session was resumed; a new one has none. */
  readonly since?: string | undefined;
  /** Whom the session counts for. */
  readonly client: Pick<ClientConnection, 'accounts'>;
}

interface Connection {
  readonly socket: Socket;
  readonly subscriber: Subscriber;
  readonly owner: string;
  readonly client: Pick<ClientConnection, 'accounts'>;
  /**
   * Of the session: a stream that was subscribed before keeps its position, since the client may have seen nothing of
   * it since.
   */
  cursor: string;
  /** Whether it has ever had something to resume. */
  begun: boolean;
  /** Whether the store has not taken its newest state. */
  unsaved: boolean;
}

export interface SessionKeeperOptions {
  readonly store: SessionStore;
  readonly budget: SessionBudget;
  readonly logger: Logger;
  /** Time between two renewals, ms. */
  readonly renewEveryMs: number;
  /** Ends a connection whose client has come back elsewhere. */
  readonly endTaken: (socket: Socket) => void;
}

export class SessionKeeper {
  readonly #options: SessionKeeperOptions;
  readonly #connections = new Map<Socket, Connection>();
  readonly #stopping = new AbortController();
  #wake = new AbortController();

  constructor(options: SessionKeeperOptions) {
    this.#options = options;
    options.store.onDoubt(() => this.doubt());
    void this.#renewRegularly();
  }

  stop(): void {
    this.#stopping.abort();
    this.#wake.abort();
  }

  /** Takes a connection on. */
  add(socket: Socket, subscriber: Subscriber, { owner, since, client }: Ownership): void {
    this.#connections.set(socket, {
      socket,
      subscriber,
      owner,
      client,
      cursor: since ?? EMPTY_CURSOR,
      begun: false,
      unsaved: false,
    });
  }

  /** From now on each write stores the connection's own topics, not those of the session that it took up. */
  resumed(socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.begun = true;
    void this.#makeRoom(connection, sessionOf(connection));
  }

  /** The connection is gone; its session waits for its client. */
  drop(socket: Socket): void {
    this.#connections.delete(socket);
    this.#options.budget.park(privateId(socket));
  }

  /** The client is gone for good. */
  async forget(socket: Socket): Promise<void> {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    this.#connections.delete(socket);
    this.#options.budget.release(privateId(socket));
    await this.#remove({ pid: privateId(socket), owner: connection.owner });
  }

  /**
   * Writes the session of a connection whose subscriptions have changed. A store that is out of reach gets it later:
   * the subscription is in force meanwhile, as it is on other transports.
   *
   * @param cursor where the connection stands now
   */
  async save(socket: Socket, cursor: string): Promise<void> {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return;
    connection.begun = true;
    connection.unsaved = true;
    const old = parseCursor(connection.cursor);
    const merged = new Map(parseCursor(cursor) ?? []);
    for (const [stream, now] of merged) {
      const before = old?.get(stream);
      if (before !== undefined && (before.epoch !== now.epoch || before.seq < now.seq))
        merged.set(stream, before);
    }
    connection.cursor = formatCursor(merged);
    try {
      await this.#write(connection);
    } catch (error) {
      this.#options.logger.debug({ error: String(error) }, 'socketio: a session will be saved later');
      this.doubt();
    }
  }

  /** The store may have lost sessions: they are looked after now, not only when the next renewal is due. */
  doubt(): void {
    this.#wake.abort();
  }

  async #renewRegularly(): Promise<void> {
    const { signal } = this.#stopping;
    const backoff = new Backoff();
    while (!signal.aborted) {
      await sleep(this.#options.renewEveryMs, this.#wake.signal);
      this.#wake = new AbortController();
      while (!signal.aborted) {
        try {
          await this.#renew();
          backoff.reset();
          break;
        } catch (error) {
          if (backoff.failures === 0) {
            this.#options.logger.warn({ error: String(error) }, 'socketio: sessions could not be renewed');
          }
          await backoff.wait(signal);
        }
      }
    }
  }

  /** @throws HubError `log_unavailable` */
  async #renew(): Promise<void> {
    const begun = [...this.#connections.values()].filter(({ begun }) => begun);
    const kept = await this.#options.store.renew(
      begun.map(({ socket, owner }) => ({ pid: privateId(socket), owner })),
    );
    for (const [i, connection] of begun.entries()) {
      if (kept[i] === 'taken') this.#options.endTaken(connection.socket);
      else if (kept[i] === 'missing' || connection.unsaved) await this.#write(connection);
    }
  }

  async #write(connection: Connection): Promise<void> {
    const { socket, owner } = connection;
    // It has ended while others were written.
    if (!this.#connections.has(socket)) return;
    const session = sessionOf(connection);
    connection.unsaved = false;
    if (!(await this.#makeRoom(connection, session))) return;
    try {
      if ((await this.#options.store.save(privateId(socket), owner, session)) === 'taken')
        this.#options.endTaken(socket);
    } catch (error) {
      connection.unsaved = true;
      throw error;
    }
  }

  /** @returns whether the session may be written; its client is told `session_expired` otherwise, when it comes back */
  async #makeRoom({ socket, owner, client }: Connection, session: StoredSession): Promise<boolean> {
    const pid = privateId(socket);
    const { fits, evicted } = this.#options.budget.claim({
      pid,
      owner,
      accounts: client.accounts,
      bytes: bytesOf(session),
    });
    await Promise.all(evicted.map((gone) => this.#remove(gone)));
    if (fits) return true;
    this.#options.logger.debug({ connection: socket.id }, 'socketio: there is no room for a session');
    await this.#remove({ pid, owner });
    return false;
  }

  /** Removes a session, unless another connection has taken it up. */
  async #remove({ pid, owner }: Evicted): Promise<void> {
    try {
      await this.#options.store.remove(pid, owner);
    } catch (error) {
      // It will expire.
      this.#options.logger.debug({ error: String(error) }, 'socketio: a session could not be removed');
    }
  }
}

function sessionOf({ socket, subscriber, cursor }: Connection): StoredSession {
  const conflations = subscriber.conflations();
  return {
    sid: socket.id,
    topics: subscriber.topics(),
    ...(conflations.size === 0 ? {} : { conflations: Object.fromEntries(conflations) }),
    cursor,
    subject: subscriber.access.principal.subject,
  };
}

/** The id that only the client and its session know. Private in Socket.IO's types. */
function privateId(socket: Socket): string {
  return (socket as unknown as { readonly pid: string }).pid;
}
