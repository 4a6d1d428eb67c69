/**
 * Runs the examples of the pages on PostgreSQL and Redis; those of other pages are run by the specs of their subjects.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { connectorProcess } from '../connectors/connector-process.js';
import { needsPostgres, Platform } from '../connectors/platform.js';
import { startTestApp } from '../http/test-app.js';
import { OwnRedis } from '../log/own-redis.js';
import { subscribeSocketIo } from '../support/socketio-client.js';
import { until } from '../support/wait.js';
import { codeBlockWith } from './code-blocks.js';

const run = promisify(execFile);
/** Where programs find the packages of this project. */
const DIST = fileURLToPath(new URL('../..', import.meta.url));

describe('The examples of the page on Redis', () => {
  let redis: OwnRedis;
  let app: RunningNode;
  let ingest: ManagedProcess;
  let dir: string;

  before(async () => {
    redis = await OwnRedis.start();
    app = await startTestApp({ REDIS_URL: redis.url });
    ({ process: ingest } = await connectorProcess('ingest', { REDIS_URL: redis.url }));
    await ingest.start();
    dir = mkdtempSync(join(DIST, 'spec-examples-'));
  });

  after(async () => {
    await ingest?.stop('SIGKILL');
    await app?.stop();
    await redis?.stop();
    if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
  });

  let client: Awaited<ReturnType<typeof subscribeSocketIo>> | undefined;

  afterEach(() => client?.close());

  it('emit to the subscribers of a topic', async () => {
    client = await subscribeSocketIo({ url: app.url }, { topics: ['market:AAPL'] });
    const hints: unknown[] = [];
    client.socket.on('hint', (hint: unknown) => hints.push(hint));
    const file = join(dir, 'emit.mjs');
    writeFileSync(file, codeBlockWith('docs/integrations/redis.md', 'Emitter'));
    await run(process.execPath, [file], { env: { ...process.env, REDIS_URL: redis.url } });
    await until('it comes', () => hints.length === 1);
    expect(hints).to.deep.equal([{ soon: true }]);
  });

  it('put a message into a stream by redis-cli', async () => {
    client = await subscribeSocketIo({ url: app.url }, { topics: ['signals:orders/a1'] });
    const { port } = new URL(redis.url);
    const here = `redis-cli() { command redis-cli -p ${port} "$@"; }\n`;
    await run('bash', ['-c', here + codeBlockWith('docs/integrations/redis.md', 'XADD')]);
    await until('it comes', () => client?.seen.data('signals:orders/a1').length === 1);
    expect(client?.seen.data('signals:orders/a1')).to.deep.equal([{ price: 187.2 }]);
  });
});

describe('The examples of the page on PostgreSQL', () => {
  let platform: Platform;
  const connectors: ManagedProcess[] = [];

  before(async function () {
    needsPostgres(this);
    platform = await Platform.start();
    for (const name of ['outbox', 'archive'] as const) {
      const { process: connector, url } = await connectorProcess(name, platform.env);
      connectors.push(connector);
      await connector.start();
      await until(`the ${name} works`, async () => (await fetch(`${url}/health`)).ok);
    }
  });

  after(async () => {
    for (const connector of connectors) await connector.stop('SIGKILL');
    await platform?.stop();
  });

  it('publish in a transaction, and find the message in the archive', async () => {
    const db = await platform.postgres.connect();
    await db.query(
      "CREATE TABLE account (id text PRIMARY KEY, balance int); INSERT INTO account VALUES ('a1', 100)",
    );
    const client = await platform.subscribe('signals:*');
    await db.query(codeBlockWith('docs/integrations/postgresql.md', 'hub_publish'));
    await until('it comes', () => client.seen.data('signals:orders/a1').length === 1);
    expect(client.seen.data('signals:orders/a1')).to.deep.equal([{ balance: 90 }]);
    const query = codeBlockWith('docs/integrations/postgresql.md', 'FROM hub.archive');
    await until('it is archived', async () => (await db.query(query)).rows.length === 1);
  });
});
