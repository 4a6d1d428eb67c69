/**
 * The publishing process: sends messages to a peer at a steady rate, in the fastest way that passes through the peer's
 * backend: the stream log, redis-emitter, a Redis channel, NATS, Nchan's publishing endpoint.
 */
import { connect, type Socket } from 'node:net';
import { Emitter } from '@socket.io/redis-emitter';
import { STREAM_DEFAULTS } from '../../server/hub/streams.js';
import { RedisStreamLog } from '../../server/log/redis-stream-log.js';
import { silentLogger } from '../../server/logger.js';
import { RedisLink } from '../../server/redis/redis-link.js';
import { streamChannel } from '../../server/transports/socketio/hub-adapter.js';
import { natsSubject } from './connection.js';

export type Way = 'log' | 'emitter' | 'channel' | 'nats' | 'nchan';

/** The order to the publisher: the rate, the topics, which take turns, and the duration. */
export interface PublishOrder {
  readonly way: Way;
  readonly redisUrl?: string;
  readonly port?: number;
  readonly topics: readonly string[];
  readonly perSecond: number;
  readonly seconds: number;
}

/** Its answer when it is done. */
export interface PublishAnswer {
  readonly published: number;
  /** The most messages that were due but not yet sent at any time. */
  readonly behind: number;
}

/** Fills each message up to the size that the comparison was designed for. */
const PAD = 'x'.repeat(24);

process.on('message', (order: PublishOrder) => {
  void publish(order).then((answer) => process.send?.(answer));
});

async function publish({
  way,
  redisUrl,
  port,
  topics,
  perSecond,
  seconds,
}: PublishOrder): Promise<PublishAnswer> {
  const { send, flush, close } = await sender(way, redisUrl, port);
  const counts = new Map<string, number>();
  const started = performance.now();
  const total = Math.round(perSecond * seconds);
  let published = 0;
  let behind = 0;
  while (published < total) {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1000) * perSecond));
    behind = Math.max(behind, due - published);
    while (published < due) {
      const topic = topics[published % topics.length]!;
      const n = counts.get(topic) ?? 0;
      counts.set(topic, n + 1);
      send(topic, `{"k":"${topic}","n":${n},"at":${process.hrtime.bigint()},"pad":"${PAD}"}`, n);
      published += 1;
    }
    await flush();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await close();
  return { published, behind };
}

interface Sender {
  send(topic: string, data: string, n: number): void;
  flush(): Promise<void> | void;
  close(): Promise<void>;
}

async function sender(way: Way, redisUrl = '', port = 0): Promise<Sender> {
  if (way === 'nats') return natsSender(port);
  if (way === 'nchan') return nchanSender(port);
  const link = new RedisLink({ url: redisUrl, logger: silentLogger });
  await link.connect();
  const pending = new Set<Promise<unknown>>();
  const close = async () => {
    await Promise.all(pending);
    await link.close();
  };
  if (way === 'log') {
    const log = new RedisStreamLog({
      link,
      streams: new Map([['market', STREAM_DEFAULTS]]),
      channelOf: streamChannel,
    });
    return {
      send: (topic, data) => {
        const promise = log.append('market', [{ key: topic.slice(7), data }]);
        pending.add(promise);
        void promise.finally(() => pending.delete(promise));
      },
      flush: () => undefined,
      close,
    };
  }
  let closing = false;
  const closeQuietly = async () => {
    // Messages in flight at the end of a measurement do not matter.
    closing = true;
    await close();
  };
  const { pubClient } = link.forAdapter((error) => {
    if (!closing) throw error;
  }) as { pubClient: { publish(channel: string, message: string): void } };
  if (way === 'emitter') {
    const emitter = new Emitter(pubClient);
    return {
      // The same event as the hub's, with the same content.
      send: (topic, data, n) => {
        const message = { topic, seq: n + 1, time: Date.now(), data: JSON.parse(data) };
        emitter.to(topic).emit('message', message, `market.abcdef.${n + 1}`);
      },
      flush: () => undefined,
      close: closeQuietly,
    };
  }
  return {
    send: (topic, data, n) => {
      const message = `{"topic":"${topic}","seq":${n + 1},"time":${Date.now()},"data":${data}}`;
      pubClient.publish('bench', `${topic} ${message}`);
    },
    flush: () => undefined,
    close: closeQuietly,
  };
}

function natsSender(port: number): Promise<Sender> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.on('data', (data) => {
      if (data.includes('PING')) socket.write('PONG\r\n');
    });
    let lines: string[] = [];
    socket.once('connect', () => {
      socket.write('CONNECT {"verbose":false,"pedantic":false}\r\n');
      resolve({
        send: (topic, data, n) => {
          const message = `{"topic":"${topic}","seq":${n + 1},"time":${Date.now()},"data":${data}}`;
          lines.push(`PUB ${natsSubject(topic)} ${Buffer.byteLength(message)}\r\n${message}\r\n`);
        },
        flush: () => {
          if (lines.length > 0) socket.write(lines.join(''));
          lines = [];
        },
        close: async () => {
          socket.end();
        },
      });
    });
  });
}

/** Requests are pipelined on one connection, so that the publisher never waits for the server's round trip. */
function nchanSender(port: number): Promise<Sender> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.once('error', reject);
    socket.resume();
    let requests: string[] = [];
    socket.once('connect', () => {
      resolve({
        send: (topic, data, n) => {
          const message = `{"topic":"${topic}","seq":${n + 1},"time":${Date.now()},"data":${data}}`;
          requests.push(
            `POST /pub?id=${encodeURIComponent(topic)} HTTP/1.1\r\nHost: bench\r\nContent-Length: ${Buffer.byteLength(message)}\r\n\r\n${message}`,
          );
        },
        flush: () => {
          if (requests.length > 0) socket.write(requests.join(''));
          requests = [];
        },
        close: async () => {
          socket.end();
        },
      });
    });
  });
}
