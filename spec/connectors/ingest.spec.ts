import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import type { RunningNode } from '../../server/node/start-node.js';
import type { RedisLink } from '../../server/redis/redis-link.js';
import { startTestApp } from '../http/test-app.js';
import { OwnRedis } from '../log/own-redis.js';
import type { TestClient } from '../support/client.js';
import { sized } from '../support/size.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { connectorProcess, sample } from './connector-process.js';
import { account, type ExpectedRow, haltForAWhile, killRepeatedly, printAccount } from './killing.js';

const KILLS = sized({ quick: 3, full: 20 });
const KEY = 'hub:ingest';

describe('The ingest stream in Redis', () => {
  let redis: OwnRedis;
  let link: RedisLink;
  let app: RunningNode;
  let client: TestClient;
  let connector: ManagedProcess;
  let url: string;

  const emit = (fields: Record<string, string>) =>
    link.command(['XADD', KEY, '*', ...Object.entries(fields).flat()]);
  const waiting = async () => Number(await link.command(['XLEN', KEY]));

  before(async () => {
    redis = await OwnRedis.start();
    link = await redis.connect();
    app = await startTestApp({ REDIS_URL: redis.url, TOP_CHECK_MS: '500' });
    client = await subscribeOver('websocket', { url: app.url }, { topics: ['signals:*'] });
    ({ process: connector, url } = await connectorProcess('ingest', { REDIS_URL: redis.url }));
    await connector.start();
  });

  after(async () => {
    client?.close();
    await connector?.stop('SIGKILL');
    await app?.stop();
    await redis?.stop();
  });

  it('becomes messages in its order, and leaves nothing behind', async () => {
    for (let n = 1; n <= 20; n++)
      await emit({ topic: 'signals:ingest', data: JSON.stringify({ n, text: 'ä' }) });
    await until('all come', () => client.seen.data('signals:ingest').length === 20);
    expect(client.seen.data('signals:ingest')).to.deep.equal(
      Array.from({ length: 20 }, (_, i) => ({ n: i + 1, text: 'ä' })),
    );
    await until('nothing waits', async () => (await waiting()) === 0);
  });

  it('publishes entries with the same id once', async () => {
    await emit({ topic: 'signals:id', data: '1', id: 'a-1' });
    await emit({ topic: 'signals:id', data: '1', id: 'a-1' });
    await emit({ topic: 'signals:id', data: '\ufeff2' });
    await until('the last comes', () => client.seen.data('signals:id').includes(2));
    expect(client.seen.data('signals:id')).to.deep.equal([1, 2]);
  });

  it('sets invalid entries aside with the reason, counts them, and continues', async () => {
    await emit({ data: '1' });
    await emit({ topic: 'signals:a' });
    await emit({ topic: 'signals:a', data: 'no json' });
    await emit({ topic: 'signals:a', data: '[1e999]' });
    await emit({ topic: 'nowhere:a', data: '1' });
    await emit({ topic: 'signals:*', data: '1' });
    await emit({ topic: 'signals:a', data: JSON.stringify('x'.repeat(70_000)) });
    await emit({ topic: 'signals:id', data: '3', id: 'a-1' });
    await emit({ topic: 'signals:after', data: '1' });
    await until('what follows comes', () => client.seen.data('signals:after').length === 1);
    await until('all is acknowledged', async () => (await waiting()) === 0);
    const reply = (await link.command(['XRANGE', `${KEY}:refused`, '-', '+'])) as [string, string[]][];
    const reasons = reply.map(([, fields]) => fields[fields.indexOf('refused') + 1]!.split(':')[0]);
    expect(reasons).to.have.members([
      'bad_request',
      'bad_request',
      'bad_json',
      'bad_request',
      'unknown_stream',
      'bad_topic',
      'too_large',
      'idempotency_conflict',
    ]);
    expect(await sample(url, 'axiom_connector_refused_total')).to.equal(8);
  });

  it('continues when Redis has lost the consumer group', async () => {
    await link.command(['DEL', KEY]);
    await emit({ topic: 'signals:again', data: '1' });
    await until('it comes', () => client.seen.data('signals:again').length === 1);
  });

  it(`neither loses nor doubles when two of it work and one is killed ${KILLS} times under load`, async () => {
    const second = await connectorProcess('ingest', { REDIS_URL: redis.url });
    await second.process.start();
    try {
      const expected: ExpectedRow[] = [];
      let stopped = false;
      const emitter = (async () => {
        let n = 0;
        while (!stopped) {
          const rows = Array.from({ length: 40 }, (_, i) => ({ key: `k${(n + i) % 7}`, n: n + i + 1 }));
          n += rows.length;
          await Promise.all(
            rows.map((row) => emit({ topic: `signals:kill/${row.key}`, data: JSON.stringify(row) })),
          );
          expected.push(...rows);
          await delay(Math.random() * 30);
        }
      })();
      await killRepeatedly(connector, KILLS);
      await haltForAWhile(connector);
      stopped = true;
      await emitter;
      await until('nothing waits', async () => (await waiting()) === 0, { withinMs: 30_000 });
      const arrived = () => client.seen.messages.filter(({ topic }) => topic.startsWith('signals:kill/'));
      await until('as many messages as entries come', () => arrived().length >= expected.length);
      const result = account('ingest', expected, arrived(), ({ data }) => data as ExpectedRow);
      printAccount(KILLS, result);
      expect(result).to.include({ lost: 0, doubled: 0, disordered: 0, messages: expected.length });
    } finally {
      await second.process.stop('SIGKILL');
    }
  });
});
