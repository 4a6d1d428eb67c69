/** Builds the parts that differ between a node of a cluster and a single node: a part of the composition root. */
import { type Leases, SingleNodeLeases } from '../cluster/leases.js';
import { RedisLeases, RedisNodeReports } from '../cluster/redis-cluster-state.js';
import { RedisSessionStore } from '../cluster/redis-sessions.js';
import { type NodeReports, SingleNodeReports } from '../cluster/report-store.js';
import type { Config } from '../config/config.js';
import { MemoryStreamLog } from '../log/memory-stream-log.js';
import { EMPTY_INBOX, type PayloadInbox } from '../log/payload-inbox.js';
import { RedisStreamLog } from '../log/redis-stream-log.js';
import type { StreamLog } from '../log/stream-log.js';
import type { Logger } from '../logger.js';
import { RedisLink } from '../redis/redis-link.js';
import { setUpOf } from '../redis/set-up.js';
import { streamChannel } from '../transports/socketio/hub-adapter.js';
import { MemorySessionStore, type SessionStore } from '../transports/socketio/sessions.js';

/** The parts that differ between a node of a cluster and a single node. */
export interface Backend {
  readonly log: StreamLog;
  /** Where the log receives the announcements of other nodes. */
  readonly inbox: PayloadInbox;
  /** Undefined for a single node. */
  readonly link: RedisLink | undefined;
  readonly sessions: SessionStore;
  readonly leases: Leases;
  readonly reports: NodeReports;
}

/** How long a session is stored. That of an open connection is renewed after a third of its time: so a third longer. */
export function sessionLastsMs({ transports }: Pick<Config, 'transports'>): number {
  return Math.ceil((transports.sessionMs * 4) / 3);
}

/** @throws Error if Redis does not answer, and the reason of `signal` once it aborts */
export async function connectBackend(
  config: Config,
  logger: Logger,
  signal: AbortSignal | undefined,
): Promise<Backend> {
  const streams = new Map(config.streams.map((stream) => [stream.name, stream]));
  if (config.redis.url === '') {
    return {
      log: new MemoryStreamLog({ streams }),
      inbox: EMPTY_INBOX,
      link: undefined,
      sessions: new MemorySessionStore(sessionLastsMs(config)),
      leases: new SingleNodeLeases(),
      reports: new SingleNodeReports(),
    };
  }
  const link = new RedisLink({ url: config.redis.url, logger });
  await link.connect(signal);
  await tellSetUp(link, logger);
  const log = new RedisStreamLog({ link, streams, channelOf: streamChannel });
  return {
    log,
    inbox: log,
    link,
    sessions: new RedisSessionStore(link, sessionLastsMs(config)),
    leases: new RedisLeases(link),
    reports: new RedisNodeReports(link),
  };
}

/** Warns of a Redis that will lose data, or that the hub cannot use. A node starts all the same: it may be meant so. */
async function tellSetUp(link: RedisLink, logger: Logger): Promise<void> {
  try {
    for (const { level, text } of await setUpOf(link)) {
      if (level === 'danger') logger.warn({ danger: text }, 'redis: its set-up is dangerous');
      else logger.info({ note: text }, 'redis: a note on its set-up');
    }
  } catch (error) {
    logger.warn({ error: String(error) }, 'redis: its set-up cannot be checked');
  }
}
