/** The stream log in Redis as a node has it. */
import { RedisStreamLog } from '../../server/log/redis-stream-log.js';
import type { LogListener, Retention } from '../../server/log/stream-log.js';
import type { RedisLink } from '../../server/redis/redis-link.js';
import { CONTRACT_STREAMS } from './log-under-test.js';
import type { OwnRedis } from './own-redis.js';

const CHANNEL = /^socket\.io#\/#(.+)#$/;
/** The channel of a stream's room. */
export const channelOf = (stream: string) => `socket.io#/#${stream}#`;

interface SubscribedClient {
  pSubscribe(pattern: string, listener: (payload: Buffer, channel: Buffer) => void): void;
}

/** A log, and what subscribes for it as the Socket.IO adapter does on a node. */
export interface RedisNode {
  readonly log: RedisStreamLog;
  readonly link: RedisLink;
  readonly payloads: Buffer[];
}

/** Opens the log over connections of its own, which `redis` closes. */
export async function redisNode(
  redis: OwnRedis,
  retention: Retention,
  listener: LogListener,
): Promise<RedisNode> {
  const link = await redis.connect();
  const log = new RedisStreamLog({
    link,
    streams: new Map(CONTRACT_STREAMS.map((name) => [name, retention])),
    channelOf,
  });
  const payloads: Buffer[] = [];
  const { subClient } = link.forAdapter((error) => {
    throw error;
  });
  (subClient as SubscribedClient).pSubscribe('socket.io#/#*#', (payload, channel) => {
    payloads.push(payload);
    log.receive(CHANNEL.exec(channel.toString())![1]!, payload);
  });
  log.follow(listener);
  await log.live();
  return { log, link, payloads };
}
