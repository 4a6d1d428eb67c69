import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'chai';
import type pg from 'pg';
import { lsnText, parseLsn } from '../../server/connectors/postgres/lsn.js';
import { parseTableMappings } from '../../server/connectors/postgres/table-mapping.js';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { sized } from '../support/size.js';
import { until } from '../support/wait.js';
import { connectorProcess, sample } from './connector-process.js';
import { account, type ExpectedRow, killRepeatedly, printAccount } from './killing.js';
import { needsPostgres, Platform } from './platform.js';

const KILLS = sized({ quick: 3, full: 20 });
const WRITERS = 4;

describe('Logical replication from PostgreSQL', () => {
  let platform: Platform;
  let db: pg.Client;
  let connector: ManagedProcess;
  let url: string;
  let env: Record<string, string>;

  const atWork = () => until('the connector works', async () => (await fetch(`${url}/health`)).ok);

  before(async function () {
    needsPostgres(this);
    platform = await Platform.start();
    db = await platform.postgres.connect();
    await db.query(
      `CREATE TABLE orders (id bigint PRIMARY KEY, account text, n int, price numeric, rate float8, live boolean,
         tags jsonb, note text, at timestamptz, unmapped int[])`,
    );
    await db.query('CREATE TABLE quiet (id int PRIMARY KEY)');
    await db.query('CREATE TABLE deleted (id int PRIMARY KEY, account text)');
    env = {
      ...platform.env,
      REPLICATION_TABLES: 'public.orders=signals:orders/{account}, public.deleted=signals:deleted/{account}',
    };
    ({ process: connector, url } = await connectorProcess('replication', env));
    await connector.start();
    await atWork();
  });

  after(async () => {
    await connector?.stop('SIGKILL');
    await platform?.stop();
  });

  it('carries rows over with the types of JSON', async () => {
    const client = await platform.subscribe('signals:*');
    await db.query(
      `INSERT INTO orders VALUES (9007199254740993, 'types', 1, 187.20, 0.5, true, '{"b":[1,2.50]}', E'a\\n"b"', '2026-01-02T03:04:05Z', '{1,2}')`,
    );
    await db.query(`INSERT INTO orders VALUES (7, 'types', 2, NULL, 'NaN', false, NULL, NULL, NULL, NULL)`);
    await until('both come', () => client.seen.data('signals:orders/types').length === 2);
    const [first, second] = client.seen.data('signals:orders/types') as { row: Record<string, unknown> }[];
    expect(first).to.deep.equal({
      op: 'insert',
      table: 'public.orders',
      row: {
        id: '9007199254740993',
        account: 'types',
        n: 1,
        price: '187.20',
        rate: 0.5,
        live: true,
        tags: { b: [1, 2.5] },
        note: 'a\n"b"',
        at: first!.row.at,
        unmapped: '{1,2}',
      },
    });
    expect(new Date(String(first!.row.at)).getTime()).to.equal(Date.UTC(2026, 0, 2, 3, 4, 5));
    expect(second!.row).to.deep.include({ id: 7, price: null, rate: 'NaN', live: false, tags: null });
  });

  it('tells updates and deletions with what the replica identity knows of the row before', async () => {
    const client = await platform.subscribe('signals:*');
    await db.query(`INSERT INTO orders (id, account, n) VALUES (20, 'changes', 1)`);
    await db.query('UPDATE orders SET n = 2 WHERE id = 20');
    await db.query('ALTER TABLE orders REPLICA IDENTITY FULL');
    await db.query('UPDATE orders SET n = 3 WHERE id = 20');
    await db.query('DELETE FROM orders WHERE id = 20');
    await until('all come', () => client.seen.data('signals:orders/changes').length === 4);
    const seen = client.seen.data('signals:orders/changes') as {
      op: string;
      row?: { n: number };
      old?: { n: number };
    }[];
    expect(seen.map(({ op, row, old }) => [op, row?.n, old?.n])).to.deep.equal([
      ['insert', 1, undefined],
      ['update', 2, undefined],
      ['update', 3, 2],
      ['delete', undefined, 3],
    ]);
  });

  it('sets aside a deletion whose topic cannot be determined, and continues', async () => {
    const client = await platform.subscribe('signals:*');
    await db.query(`INSERT INTO deleted VALUES (1, 'x'), (2, 'y z')`);
    await db.query('DELETE FROM deleted WHERE id = 1');
    await db.query(`INSERT INTO deleted VALUES (3, 'z')`);
    await until('what follows comes', () => client.seen.data('signals:deleted/z').length === 1);
    const setAside = async () => {
      const { rows } = await db.query(
        'SELECT topic, data::json->>$1 AS op, refused FROM hub.replication_refused ORDER BY position',
        ['op'],
      );
      return rows;
    };
    await until('both are set aside', async () => (await setAside()).length === 2);
    const rows = await setAside();
    expect(rows.map(({ topic, op }) => [topic, op])).to.deep.equal([
      ['signals:deleted/y z', 'insert'],
      ['-', 'delete'],
    ]);
    expect(rows[1].refused).to.contain('REPLICA IDENTITY');
  });

  it('confirms its slot also while only other tables change, so that PostgreSQL need not keep its log', async () => {
    for (let i = 0; i < 50; i++)
      await db.query('INSERT INTO quiet SELECT generate_series($1::int, $1 + 99)', [i * 100]);
    const { rows } = await db.query('SELECT pg_current_wal_lsn()::text AS here');
    await until(
      'the slot is there',
      async () => {
        const slot = await db.query(
          'SELECT confirmed_flush_lsn >= $1::pg_lsn AS there FROM pg_replication_slots',
          [rows[0].here],
        );
        return slot.rows[0].there;
      },
      { withinMs: 40_000 },
    );
    await until(
      'the slot is measured',
      async () => (await sample(url, 'axiom_connector_slot_retained_bytes')) > 0,
    );
  });

  it('continues where it was after being stopped for a while', async () => {
    const client = await platform.subscribe('signals:*');
    await connector.stop('SIGTERM');
    await db.query(
      `INSERT INTO orders (id, account, n) SELECT 1000 + i, 'away', i FROM generate_series(1, 3000) i`,
    );
    await connector.start();
    await until('all come', () => client.seen.data('signals:orders/away').length >= 3000);
    expect(
      client.seen.data('signals:orders/away').map((data) => (data as { row: { n: number } }).row.n),
    ).to.deep.equal(Array.from({ length: 3000 }, (_, i) => i + 1));
  });

  it('says so, and begins no new slot, when its slot is gone', async () => {
    await connector.stop('SIGTERM');
    await until('the slot is free', async () => {
      const { rows } = await db.query('SELECT active FROM pg_replication_slots');
      return rows[0].active === false;
    });
    await db.query("SELECT pg_drop_replication_slot('axiom')");
    await connector.start();
    await until('it fails', async () => (await sample(url, 'axiom_connector_failures_total')) > 0);
    const { rowCount } = await db.query('SELECT FROM pg_replication_slots');
    expect(rowCount).to.equal(0);
    await db.query("DELETE FROM hub.replication_slot WHERE name = 'axiom'");
    await atWork();
  });

  it(`neither loses nor doubles when it is killed ${KILLS} times under load`, async () => {
    await atWork();
    const client = await platform.subscribe('signals:*');
    const expected: ExpectedRow[] = [];
    let stopped = false;
    let ids = 1_000_000;
    const writer = async (w: number) => {
      const own = await platform.postgres.connect();
      let n = 0;
      while (!stopped) {
        const rows = Array.from({ length: 1 + (n % 7) }, (_, i) => ({
          key: `kill-${w}-${(n + i) % 3}`,
          n: n + i + 1,
        }));
        n += rows.length;
        await own.query('BEGIN');
        for (const { key, n: number } of rows) {
          ids += 1;
          await own.query('INSERT INTO orders (id, account, n) VALUES ($1, $2, $3)', [ids, key, number]);
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
    const arrived = () =>
      client.seen.messages.filter(({ topic }) => topic.startsWith('signals:orders/kill-'));
    await until('as many messages as rows come', () => arrived().length >= expected.length, {
      withinMs: 30_000,
      instead: () => [arrived().length, expected.length],
    });
    const { rows } = await db.query('SELECT pg_current_wal_lsn()::text AS here');
    await until(
      'the slot is confirmed',
      async () => {
        const slot = await db.query(
          'SELECT confirmed_flush_lsn >= $1::pg_lsn AS there FROM pg_replication_slots',
          [rows[0].here],
        );
        return slot.rows[0].there;
      },
      { withinMs: 40_000 },
    );
    const result = account('replication', expected, arrived(), ({ data }) => {
      const { account: key, n } = (data as { row: { account: string; n: number } }).row;
      return { key, n };
    });
    printAccount(KILLS, result);
    expect(result).to.include({ lost: 0, doubled: 0, disordered: 0, messages: expected.length });
  });
});

describe('The mapping of tables', () => {
  it('makes topics from columns', () => {
    const [orders, all] = parseTableMappings(
      'public.orders=signals:orders/{account}/{id}, audit.log=system:audit',
    );
    const row = new Map([
      ['account', 'a1'],
      ['id', '7'],
    ]);
    expect(orders).to.include({ table: 'public.orders' });
    expect(orders!.topicOf(row)).to.equal('signals:orders/a1/7');
    expect(orders!.topicOf(new Map([['id', '7']]))).to.equal(undefined);
    expect(all!.topicOf(new Map())).to.equal('system:audit');
  });

  it('names the entry that is wrong', () => {
    for (const text of [
      'orders=signals:a',
      'public.orders=Signals:a',
      'public.orders=signals',
      'public.orders=signals:a b',
    ]) {
      expect(() => parseTableMappings(text), text).to.throw(`"${text}"`);
    }
    expect(() => parseTableMappings('a.b=news:c,a.b=news:d')).to.throw('"a.b" is named twice');
  });

  it('orders places in the log of PostgreSQL as texts', () => {
    const places = ['0/1', '0/FF', '0/FFFFFFFF', '1/0', 'A/B374D848'];
    const texts = places.map((place) => lsnText(parseLsn(place)));
    expect([...texts].sort()).to.deep.equal(texts);
    expect(texts[4]).to.equal('0000000A/B374D848');
  });
});
