import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import pg from 'pg';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { silentLogger } from '../../server/logger.js';
import { connectPostgres } from '../../server/postgres/connection.js';
import { migrate } from '../../server/postgres/migrations.js';
import { sized } from '../support/size.js';
import { patient, until } from '../support/wait.js';
import { connectorProcess, sample } from './connector-process.js';
import { account, type ExpectedRow, killRepeatedly, printAccount } from './killing.js';
import { needsPostgres, Platform } from './platform.js';

const MIGRATIONS = new URL('../../server/connectors/postgres/migrations/', import.meta.url);
const KILLS = sized({ quick: 3, full: 20 });
const WRITERS = 4;

describe('The PostgreSQL outbox', () => {
  let platform: Platform;
  let db: pg.Client;
  let connector: ManagedProcess;
  let url: string;

  const publish = (topic: string, data: unknown, id: string | null = null) =>
    db.query('SELECT hub_publish($1, $2, $3)', [topic, JSON.stringify(data), id]);

  before(async function () {
    needsPostgres(this);
    platform = await Platform.start();
    db = await platform.postgres.connect();
    const migrating = await connectPostgres({
      url: platform.postgres.url,
      application: 'spec',
      logger: silentLogger,
    });
    await migrate(migrating, MIGRATIONS);
    await migrating.end();
    ({ process: connector, url } = await connectorProcess('outbox', {
      ...platform.env,
      OUTBOX_POLL_MS: '100',
    }));
    await connector.start();
  });

  after(async () => {
    await connector?.stop('SIGKILL');
    await platform?.stop();
  });

  it('publishes committed messages in order, and nothing that was rolled back', async () => {
    const client = await platform.subscribe('signals:*');
    await db.query('BEGIN');
    await publish('signals:orders/a', { n: 1 });
    await publish('signals:orders/a', { n: 2, text: 'zwei\n"Zeilen"' });
    await db.query('COMMIT');
    await db.query('BEGIN');
    await publish('signals:orders/a', { n: 99 });
    await db.query('ROLLBACK');
    await publish('signals:orders/a', { n: 3 });
    await until('three messages come', () => client.seen.messages.length >= 3);

    expect(client.seen.data('signals:orders/a')).to.deep.equal([
      { n: 1 },
      { n: 2, text: 'zwei\n"Zeilen"' },
      { n: 3 },
    ]);
  });

  it('is woken by the commit, long before it would poll', async () => {
    await connector.stop('SIGKILL');
    const slow = await connectorProcess('outbox', { ...platform.env, OUTBOX_POLL_MS: '60000' });
    await slow.process.start();
    try {
      await until('the connector works', async () => (await fetch(`${slow.url}/health`)).ok);
      const client = await platform.subscribe('signals:*');
      const latencies: number[] = [];
      for (let n = 1; n <= 20; n++) {
        const started = performance.now();
        await publish('signals:wake', n);
        await until('it comes', () => client.seen.messages.length === n);
        latencies.push(performance.now() - started);
      }
      latencies.sort((a, b) => a - b);
      expect(latencies[10]).to.be.lessThan(patient(1_000));
    } finally {
      await slow.process.stop('SIGTERM');
      await connector.start();
    }
  });

  it('takes the same id for the same message once, and refuses it for another', async () => {
    const client = await platform.subscribe('signals:*');
    await publish('signals:ids', { n: 1 }, 'order-1');
    await publish('signals:ids', { n: 1 }, 'order-1');
    const refused = await publish('signals:ids', { n: 2 }, 'order-1').catch((error: Error) => error);
    expect(refused).to.be.instanceOf(Error);
    expect((refused as Error).message).to.equal('id: "order-1" was used for another message');
    await publish('signals:ids', { n: 3 });
    await until('the last comes', () => client.seen.data('signals:ids').length >= 2);
    expect(client.seen.data('signals:ids')).to.deep.equal([{ n: 1 }, { n: 3 }]);
  });

  it('refuses an invalid topic while the transaction can still be corrected', async () => {
    for (const topic of ['signals', 'signals:*', 'Signals:a', 'signals:a b']) {
      const refused = await publish(topic, 1).catch((error: Error) => error);
      expect((refused as Error).message, topic).to.equal(
        `topic: "${topic}" is not a topic; a topic is stream:key`,
      );
    }
  });

  it('sets aside what the hub refuses, says why, and continues', async () => {
    const client = await platform.subscribe('signals:*');
    await publish('nowhere:a', { n: 1 });
    await publish('signals:large', 'x'.repeat(70_000));
    await publish('signals:after', { n: 2 });
    await until('what follows comes', () => client.seen.data('signals:after').length === 1);
    await until('both are marked', async () => {
      const { rows } = await db.query(
        'SELECT topic, refused FROM hub.outbox WHERE refused IS NOT NULL ORDER BY n',
      );
      return (
        rows.length === 2 &&
        rows[0].refused.startsWith('unknown_stream: ') &&
        rows[1].refused.startsWith('too_large: ')
      );
    });
    expect(await sample(url, 'axiom_connector_refused_total')).to.equal(2);
  });

  it('deletes published rows after a time', async () => {
    await connector.stop('SIGKILL');
    const cleaning = await connectorProcess('outbox', { ...platform.env, OUTBOX_KEEP_MS: '0' });
    await cleaning.process.start();
    try {
      await publish('signals:clean', 1);
      await until('nothing that was published is left', async () => {
        const { rows } = await db.query(
          'SELECT count(*)::int AS left FROM hub.outbox WHERE published IS NOT NULL AND topic <> $1',
          ['signals:clean'],
        );
        return rows[0].left === 0;
      });
      const { rows } = await db.query(
        'SELECT count(*)::int AS left FROM hub.outbox WHERE refused IS NOT NULL',
      );
      expect(rows[0].left).to.equal(2);
    } finally {
      await cleaning.process.stop('SIGTERM');
      await connector.start();
    }
  });

  it('needs no superuser: a role that may create, and an application that may execute', async () => {
    await db.query('CREATE DATABASE plain');
    const at = (user: string) =>
      platform.postgres.url.replace('app@', `${user}@`).replace(/postgres$/, 'plain');
    const admin = new pg.Client({ connectionString: at('app') });
    await admin.connect();
    await admin.query('CREATE ROLE plain LOGIN; CREATE ROLE application LOGIN');
    await admin.query('GRANT CREATE ON DATABASE plain TO plain; GRANT CREATE ON SCHEMA public TO plain');
    const plain = await connectorProcess('outbox', { ...platform.env, DATABASE_URL: at('plain') });
    const application = new pg.Client({ connectionString: at('application') });
    await application.connect();
    try {
      await plain.process.start();
      await until('the connector works', async () => (await fetch(`${plain.url}/health`)).ok);
      const client = await platform.subscribe('signals:*');
      const send = () => application.query("SELECT hub_publish('signals:plain', '1')");
      const denied = await send().catch((error: Error) => error);
      expect((denied as Error).message).to.contain('permission denied');
      await admin.query('GRANT EXECUTE ON FUNCTION hub_publish TO application');
      await send();
      await until('it comes', () => client.seen.data('signals:plain').length === 1);
    } finally {
      await plain.process.stop('SIGKILL');
      await application.end();
      await admin.end();
    }
  });

  it('has one active connector, and another that takes over', async () => {
    const second = await connectorProcess('outbox', platform.env);
    await second.process.start();
    try {
      await until('the first works', async () => (await fetch(`${url}/health`)).ok);
      expect((await fetch(`${second.url}/health`)).status).to.equal(503);
      await connector.stop('SIGKILL');
      await until('the second works', async () => (await fetch(`${second.url}/health`)).ok);
    } finally {
      await second.process.stop('SIGKILL');
      await connector.start();
    }
  });

  it('continues after an outage of PostgreSQL', async () => {
    const client = await platform.subscribe('signals:*');
    await until('the connector works', async () => (await fetch(`${url}/health`)).ok);
    const { rows } = await db.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'axiom-outbox'`,
    );
    expect(rows, 'connections that were ended').not.to.deep.equal([]);
    await publish('signals:back', 1);
    await until('it comes', () => client.seen.data('signals:back').length === 1);
    await until('it is counted', async () => (await sample(url, 'axiom_connector_failures_total')) > 0);
  });

  it(`neither loses nor doubles when it is killed ${KILLS} times under load`, async () => {
    const client = await platform.subscribe('signals:*');
    const expected: ExpectedRow[] = [];
    let stopped = false;
    // Each writer has keys of its own; some transactions hold several messages, some are rolled back.
    const writer = async (w: number) => {
      const own = await platform.postgres.connect();
      let n = 0;
      while (!stopped) {
        const rows = Array.from({ length: 1 + (n % 5) }, (_, i) => ({
          key: `kill/${w}-${(n + i) % 3}`,
          n: n + i + 1,
        }));
        n += rows.length;
        await own.query('BEGIN');
        for (const row of rows) {
          await own.query('SELECT hub_publish($1, $2)', [`signals:${row.key}`, JSON.stringify(row)]);
        }
        if (Math.random() < 0.1) await own.query('ROLLBACK');
        else {
          await own.query('COMMIT');
          expected.push(...rows);
        }
        await delay(Math.random() * 8);
      }
    };
    const writers = Array.from({ length: WRITERS }, (_, w) => writer(w));
    await killRepeatedly(connector, KILLS);
    stopped = true;
    await Promise.all(writers);
    const arrived = () => client.seen.messages.filter(({ topic }) => topic.startsWith('signals:kill/'));
    await until('as many messages as rows come', () => arrived().length >= expected.length, {
      withinMs: 30_000,
      instead: () => [arrived().length, expected.length],
    });
    await until('nothing is left', async () => {
      const { rows } = await db.query(
        'SELECT count(*)::int AS left FROM hub.outbox WHERE published IS NULL AND refused IS NULL',
      );
      return rows[0].left === 0;
    });
    const result = account('outbox', expected, arrived(), ({ data }) => data as ExpectedRow);
    printAccount(KILLS, result);
    expect(result).to.include({ lost: 0, doubled: 0, disordered: 0, messages: expected.length });
  });
});
