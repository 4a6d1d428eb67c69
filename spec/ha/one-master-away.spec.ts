/** A Redis Cluster that keeps serving while one of its masters, and all that could take its place, is away. */
import type { DegradedInfo } from '@axiom-streaming/protocol/message';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import { DEFAULT_STREAMS } from '../../server/hub/streams.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import type { TestClient } from '../support/client.js';
import { get, publish } from '../support/http.js';
import { connectOver, subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { RedisHa } from './redis-ha.js';

/** A probe every second that waits two for its answer, on a machine that is busy. */
const NOTICED_WITHIN_MS = 20_000;

describe('A node on a Redis Cluster of which one master is away', () => {
  let redis: RedisHa;
  let app: RunningNode;
  let stopped: readonly number[] = [];
  /** Streams of the master that goes away, and those of the others. */
  let lost: readonly string[];
  let kept: readonly string[];
  /** What reads all streams, and what reads none of those that are lost, one over each transport. */
  let readers: readonly TestClient[] = [];
  let others: readonly TestClient[] = [];

  before(async () => {
    redis = await RedisHa.cluster();
    app = await startTestApp({ REDIS_URL: redis.url, TOP_CHECK_MS: '60000' });
    const master = await chooseMaster();
    const subscribe = (streams: readonly string[]) =>
      Promise.all(
        TRANSPORTS.map((transport) =>
          subscribeOver(transport, { url: app.url }, { topics: streams.map((stream) => `${stream}:*`) }),
        ),
      );
    readers = await subscribe([...lost, ...kept]);
    others = await subscribe(kept);
    // Nobody is promoted in its place: its replica stands still as well, and before it.
    stopped = [...(await redis.replicasOf(master)), master];
    for (const port of stopped) redis.at(port).signal('SIGSTOP');
  });

  after(async () => {
    for (const client of [...readers, ...others]) client.close();
    await app?.stop();
    await redis?.stop();
  });

  /**
   * A master that has streams, as another one has, and at which the node is not subscribed: that concerns all streams.
   */
  async function chooseMaster(): Promise<number> {
    const masters = new Map<number, string[]>();
    for (const { name } of DEFAULT_STREAMS) {
      const port = await redis.masterOf(`{${name}}:log`);
      masters.set(port, [...(masters.get(port) ?? []), name]);
    }
    for (const [port, names] of masters) {
      if (masters.size === 1 || (await redis.hasSubscribers(port))) continue;
      lost = names.sort();
      kept = DEFAULT_STREAMS.map(({ name }) => name).filter((name) => !names.includes(name));
      return port;
    }
    throw new Error(`no master can be spared: ${JSON.stringify([...masters])}`);
  }

  /** The streams that a client was told of, in however many events. */
  const told = ({ seen }: TestClient, degraded: boolean): string[] => {
    const infos = (seen.degraded as readonly DegradedInfo[]).filter(
      (info) => info.reason === 'log_unavailable' && info.degraded === degraded,
    );
    return [...new Set(infos.flatMap(({ streams }) => streams))].sort();
  };

  /** Until all who read the lost streams were told of them. */
  async function untilTold(degraded: boolean): Promise<void> {
    for (const client of readers) {
      await until(`${client.transport} is told`, () => told(client, degraded).length === lost.length, {
        withinMs: NOTICED_WITHIN_MS,
        instead: () => client.seen.degraded,
      });
      expect(told(client, degraded), client.transport).to.deep.equal(lost);
    }
  }

  it('tells the readers of its streams which these are', () => untilTold(true));

  it('refuses what is published to them, and delivers the other streams as before', async () => {
    const { status } = await publish(app.url, `${lost[0]}:a`, 'refused');
    expect(status).to.equal(503);
    for (const stream of kept) {
      expect((await publish(app.url, `${stream}:a`, 'delivered')).status, stream).to.equal(201);
    }
    for (const { seen, transport } of [...readers, ...others]) {
      await until(
        `${transport} has them`,
        () => seen.data().filter((data) => data === 'delivered').length === kept.length,
      );
    }
  });

  it('tells a client that asks for them meanwhile which these are, before it refuses', async () => {
    const ask = async (transport: 'socketio' | 'websocket'): Promise<void> => {
      const client = await connectOver(transport, { url: app.url });
      try {
        const answer = await client.request('subscribe', { topics: [`${kept[0]}:*`, `${lost[0]}:*`] });
        expect(answer, transport).to.have.nested.property('error.code', 'log_unavailable');
        expect(told(client, true), transport).to.deep.equal([lost[0]]);
      } finally {
        client.close();
      }
    };
    await Promise.all([ask('socketio'), ask('websocket')]);
  });

  it('tells them of the end when it is back, with everything that is published then', async () => {
    // The master first, which has not been replaced.
    for (const port of [...stopped].reverse()) redis.at(port).signal('SIGCONT');
    await untilTold(false);
    for (const stream of lost) {
      await until(
        `${stream} takes messages`,
        async () => (await publish(app.url, `${stream}:a`, 'back')).status === 201,
        { withinMs: NOTICED_WITHIN_MS },
      );
    }
    for (const { seen, transport } of readers) {
      await until(`${transport} has them`, () =>
        lost.every((stream) => seen.data(`${stream}:a`).includes('back')),
      );
      expect(seen.gaps, transport).to.deep.equal([]);
    }
    await until('the node is ready', async () => (await get(`${app.url}/health/ready`)).status === 200);
  });

  it('has told nothing to those who read the other streams alone', () => {
    for (const { seen, transport } of others) expect(seen.degraded, transport).to.deep.equal([]);
  });
});
