/**
 * What an unmodified Socket.IO client can resume: its session from the store, and its cursor from the client library,
 * which sends back the last one that it saw.
 */

import { formatCursor, type Position, parseCursor } from '@axiom-streaming/protocol/cursor';
import type { NotRecovered, TopicVerdict } from '@axiom-streaming/protocol/message';
import { parseTopic } from '@axiom-streaming/protocol/topic';
import { LRUCache } from 'lru-cache';
import type { Session } from 'socket.io-adapter';
import { HubError } from '../../errors.js';
import type { Hub } from '../../hub/hub.js';
import { topicLimit } from '../../hub/operations/subscriptions.js';
import type { Conflation } from '../../hub/queues/conflator.js';
import { topicVerdict } from '../../hub/recovery/verdict.js';
import type { Logger } from '../../logger.js';
import { Backoff } from '../../time/backoff.js';
import type { SessionStore, StoredSession } from './sessions.js';

/**
 * How long a handshake waits for an unreachable session store or log; after that the client starts a new session, and
 * is served with what this node has. Socket.IO ends a connection that has not opened its namespace after five seconds.
 */
const STORE_WAIT_MS = 3_000;
const PID = /^[A-Za-z0-9_-]{8,64}$/;

/** Who wants a session. */
export interface Claim {
  /** The connection that is to have it. */
  readonly owner: string;
  /** Of the token that was brought. */
  readonly subject: string | undefined;
}

/** What the connection handler of a resumed socket has to do. */
export interface Resumption {
  /** Topics that continue from {@link since}. */
  readonly resumed: readonly string[];
  readonly since: string;
  /** `state` topics that the client cannot have seen anything of yet. */
  readonly fresh: readonly string[];
  /** The conflated topics, of either kind. */
  readonly conflations: ReadonlyMap<string, Conflation>;
  /** Topics of the session that the client's present token does not allow. */
  readonly denied?: readonly string[];
}

/** Why a client that asked for its session did not get it. */
export interface NotResumed {
  readonly reason: NotRecovered | 'session_expired';
  readonly topics?: readonly TopicVerdict[];
}

/** What became of a session by what became of its topics. Conflated ones lose nothing that was asked for. */
export function sessionVerdict(
  topics: readonly TopicVerdict[],
): { recovered: true; reason?: undefined } | { recovered: false; reason: NotRecovered } {
  for (const { recovered, reason } of topics)
    if (recovered === false && reason !== 'conflated') return { recovered, reason };
  return { recovered: true };
}

export interface ResumerOptions {
  readonly hub: Hub;
  readonly sessions: SessionStore;
  readonly logger: Logger;
  /** Ends a connection of this node that still holds the socket id. */
  readonly endOldConnection: (sid: string) => void;
}

export class Resumer {
  readonly #options: ResumerOptions;
  /** The reasons, by pid, on their way from the handshake to the connection handler. */
  readonly #notResumed = new LRUCache<string, NotResumed>({ max: 10_000, ttl: 60_000 });

  constructor(options: ResumerOptions) {
    this.#options = options;
  }

  /**
   * Called with a returning client's `pid` and `offset`. Null: a new session begins; the client is told why.
   */
  async restore(pid: string, offset: string, claim: Claim): Promise<Session | null> {
    if (!PID.test(pid)) return null;
    try {
      return await this.#patiently(() => this.#restore(pid, offset, claim));
    } catch (error) {
      // Otherwise Socket.IO would begin a new session without telling anyone.
      this.#options.logger.warn(
        { error: String(error) },
        'socketio: a session could not be looked up; the client starts a new one',
      );
      return this.#refuse(pid, { reason: 'session_expired' });
    }
  }

  async #restore(pid: string, offset: string, { owner, subject }: Claim): Promise<Session | null> {
    const session = await this.#options.sessions.take(pid, owner, subject);
    if (session === null) return this.#refuse(pid, { reason: 'session_expired' });
    if (session === 'denied') return this.#refuse(pid, { reason: 'denied' });
    const { hub } = this.#options;
    if (isOlder(session, offset, hub)) return this.#refuse(pid, { reason: 'session_expired' });
    // Only after a limit was lowered.
    if (session.topics.length > topicLimit(hub, { subject }))
      return this.#refuse(pid, { reason: 'session_expired' });
    const resumption = plan(this.#options.hub, session, offset);
    if (resumption === null) return this.#refuse(pid, { reason: 'no_position' });

    const topics = resumption.resumed.flatMap((text) => parseTopic(text) ?? []);
    const verdicts = await this.#options.hub.recovery.judge(
      topics,
      parseCursor(resumption.since) ?? new Map(),
    );
    const told = [
      ...resumption.unknown.map((topic) => ({ topic, recovered: false, reason: 'no_position' }) as const),
      ...topics.map((topic, i) => topicVerdict(topic, verdicts[i])),
    ];
    const { recovered, reason } = sessionVerdict(told);
    if (!recovered) return this.#refuse(pid, { reason, topics: told });

    this.#options.endOldConnection(session.sid);
    const { unknown: _, ...taken } = resumption;
    return {
      sid: session.sid,
      pid,
      rooms: [...session.topics],
      data: { resumption: taken },
      missedPackets: [],
    };
  }

  /** Why a client did not get its session; once. */
  whyNotResumed(pid: string): NotResumed | undefined {
    const notResumed = this.#notResumed.get(pid);
    this.#notResumed.delete(pid);
    return notResumed;
  }

  #refuse(pid: string, why: NotResumed): null {
    this.#notResumed.set(pid, why);
    return null;
  }

  /** Retries while the store or the log does not answer. @throws its last error after {@link STORE_WAIT_MS} */
  async #patiently<T>(attempt: () => Promise<T>): Promise<T> {
    const backoff = new Backoff();
    const deadline = AbortSignal.timeout(STORE_WAIT_MS);
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        if (deadline.aborted || !(error instanceof HubError)) throw error;
        await backoff.wait(deadline);
      }
    }
  }
}

/**
 * Whether the client reads a stream of which its session knows nothing: the store was out of reach when it subscribed,
 * and its node has ended before it could write the session again.
 */
function isOlder({ topics }: StoredSession, offset: string, hub: Hub): boolean {
  const known = new Set(topics.map((topic) => parseTopic(topic)?.stream));
  return [...(parseCursor(offset)?.keys() ?? [])].some(
    (stream) => hub.streams.has(stream) && !known.has(stream),
  );
}

/** A session's topics by what becomes of them; `unknown` ones are of streams that this node does not have. */
interface Plan extends Resumption {
  readonly unknown: readonly string[];
}

/** @returns null if the client's cursor was not issued by this hub. */
function plan(hub: Hub, session: StoredSession, offset: string): Plan | null {
  const seen = parseCursor(offset);
  const stored = parseCursor(session.cursor);
  if (seen === undefined || stored === undefined) return null;
  const since = new Map<string, Position>();
  const resumed: string[] = [];
  const fresh: string[] = [];
  const unknown: string[] = [];
  for (const text of session.topics) {
    const stream = parseTopic(text)?.stream;
    const config = stream === undefined ? undefined : hub.streams.get(stream)?.config;
    if (stream === undefined || config === undefined) {
      unknown.push(text);
      continue;
    }
    const position = seen.get(stream) ?? stored.get(stream);
    if (!seen.has(stream) && config.class === 'state') {
      // No position of this stream in the cursor: its snapshot may never have arrived.
      fresh.push(text);
    } else {
      resumed.push(text);
      if (position !== undefined) since.set(stream, position);
    }
  }
  const conflations = new Map(Object.entries(session.conflations ?? {}));
  return { resumed, fresh, unknown, since: formatCursor(since), conflations };
}
