import { setTimeout as delay } from 'node:timers/promises';
import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type pg from 'pg';
import { ArchiveTables, dayOf } from '../../server/archive/archive-tables.js';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { silentLogger } from '../../server/logger.js';
import { connectPostgres } from '../../server/postgres/connection.js';
import { OwnRedis } from '../log/own-redis.js';
import { authorization } from '../support/credentials.js';
import { call, publishAll } from '../support/http.js';
import { sized } from '../support/size.js';
import { streamsFile } from '../support/streams-file.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { connectorProcess, sample } from './connector-process.js';
import { account, killRepeatedly, printAccount } from './killing.js';
import { OwnPostgres } from './own-postgres.js';
import { needsPostgres, Platform } from './platform.js';

const KILLS = sized({ quick: 3, full: 20 });
/** The log keeps so little that almost everything is in the archive alone. */
const WINDOW = 200;
const COUNT = 5_000;

describe('The archive in PostgreSQL', () => {
  let platform: Platform;
  let db: pg.Client;
  let connector: ManagedProcess;
  let url: string;
  let env: Record<string, string>;

  const publishMany = async (
    stream: string,
    from: number,
    to: number,
    keyOf = (n: number) => `k${n % 5}`,
  ) => {
    for (let n = from; n <= to; n += 200) {
      const items = Array.from({ length: Math.min(200, to - n + 1) }, (_, i) => ({
        topic: `${stream}:${keyOf(n + i)}`,
        data: { n: n + i, text: 'tab\there "and" \\ there' },
      }));
      const { body } = await publishAll(platform.app.url, items);
      expect(body.results.every(({ ok }) => ok)).to.equal(true);
    }
  };
  const archived = async (stream: string) => {
    const { rows } = await db.query('SELECT count(*)::int AS count FROM hub.archive WHERE stream = $1', [
      stream,
    ]);
    return rows[0].count as number;
  };

  before(async function () {
    needsPostgres(this);
    const postgres = await OwnPostgres.start();
    const streams = streamsFile({
      ledger: { class: 'ledger', maxMessages: WINDOW, archive: true },
      other: { class: 'ledger', maxMessages: WINDOW },
      emptied: { class: 'ledger', maxMessages: WINDOW, archive: true },
      killed: { class: 'ledger', maxMessages: 100_000, archive: true },
    });
    platform = await Platform.start(
      {
        STREAMS_FILE: streams,
        ARCHIVE_URL: postgres.url,
        WINDOW_BYTES: '65536',
      },
      postgres,
    );
    db = await postgres.connect();
    env = { ...platform.env, STREAMS_FILE: streams, ARCHIVE_POLL_MS: '20' };
    ({ process: connector, url } = await connectorProcess('archive', env));
    await connector.start();
    await until('the connector works', async () => (await fetch(`${url}/health`)).ok);
  });

  after(async () => {
    await connector?.stop('SIGKILL');
    await platform?.stop();
  });

  it('serves a client that comes back from beyond the log, on every transport, without a hole', async () => {
    const cursors: Record<string, string> = {};
    await publishMany('ledger', 1, 10);
    for (const transport of TRANSPORTS) {
      const client = await subscribeOver(transport, { url: platform.app.url }, { topics: ['ledger:*'] });
      cursors[transport] = client.seen.cursor;
      await until(`${transport} has a cursor`, () => {
        cursors[transport] = client.seen.cursor;
        return client.seen.cursor.startsWith('ledger.');
      });
      client.close();
    }
    // As a consumer that keeps up with its publishers would.
    for (let n = 11; n <= COUNT; n += 100) {
      await publishMany('ledger', n, Math.min(n + 99, COUNT));
      await until('it is archived', async () => (await archived('ledger')) >= Math.min(n + 99, COUNT));
    }
    const { rows } = await db.query('SELECT first::int, last::int FROM hub.archive_range WHERE stream = $1', [
      'ledger',
    ]);
    expect(rows).to.deep.equal([{ first: 1, last: COUNT }]);
    const link = await platform.redis.connect();
    expect(Number(await link.command(['XLEN', '{ledger}:log']))).to.be.lessThan(COUNT / 4);

    for (const transport of TRANSPORTS) {
      const client = await subscribeOver(
        transport,
        { url: platform.app.url },
        { topics: ['ledger:*', 'ledger:k1'], since: cursors[transport]! },
      );
      expect(client.verdicts, transport).to.deep.equal([
        { topic: 'ledger:*', recovered: true },
        { topic: 'ledger:k1', recovered: true },
      ]);
      await until(`${transport} is complete`, () => client.seen.messages.length >= COUNT - 10, {
        instead: () => client.seen.messages.length,
      });
      expect(client.seen.seqs(), transport).to.deep.equal(
        Array.from({ length: COUNT - 10 }, (_, i) => i + 11),
      );
      expect(client.seen.gaps).to.deep.equal([]);
      client.close();
    }
  });

  it('serves history through the same address, page by page to the newest message', async () => {
    const seqs: number[] = [];
    const { body: streams } = await call<{ streams: { name: string; epoch: string }[] }>(
      'GET',
      `${platform.app.url}/api/streams`,
      undefined,
      authorization(),
    );
    let since = `ledger.${streams.streams.find(({ name }) => name === 'ledger')!.epoch}.0`;
    for (let more = true; more; ) {
      const { body } = await call<{
        messages: { seq: number; data: unknown }[];
        cursor: string;
        more: boolean;
        recovered: boolean;
      }>(
        'GET',
        `${platform.app.url}/api/topics/ledger:*/messages?limit=1000&since=${since}`,
        undefined,
        authorization(),
      );
      expect(body.recovered).to.equal(true);
      seqs.push(...body.messages.map(({ seq }) => seq));
      if (seqs.length === 1000)
        expect(body.messages[0]!.data).to.deep.equal({ n: 1, text: 'tab\there "and" \\ there' });
      ({ cursor: since, more } = body);
    }
    expect(seqs).to.deep.equal(Array.from({ length: COUNT }, (_, i) => i + 1));
    const { body: newest } = await call<{ messages: { seq: number }[] }>(
      'GET',
      `${platform.app.url}/api/topics/ledger:*/messages?limit=1000`,
      undefined,
      authorization(),
    );
    expect(newest.messages.map(({ seq }) => seq)).to.deep.equal(
      Array.from({ length: 1000 }, (_, i) => COUNT - 999 + i),
    );
  });

  it('says "trimmed" of a stream that is not archived', async () => {
    await publishMany('other', 1, 10);
    const client = await subscribeOver('websocket', { url: platform.app.url }, { topics: ['other:*'] });
    const since = client.seen.cursor;
    client.close();
    await publishMany('other', 11, 2_000);
    const back = await subscribeOver('websocket', { url: platform.app.url }, { topics: ['other:*'], since });
    expect(back.verdicts).to.deep.equal([{ topic: 'other:*', recovered: false, reason: 'trimmed' }]);
    back.close();
  });

  it('says "trimmed" where messages left the log before they were archived, and archives what follows', async () => {
    const client = await subscribeOver('websocket', { url: platform.app.url }, { topics: ['ledger:*'] });
    const since = client.seen.cursor;
    client.close();
    await connector.stop('SIGKILL');
    await publishMany('ledger', 1, 2_000);
    await connector.start();
    await until('what is left is archived', async () => {
      const { rows } = await db.query(
        'SELECT max(last)::int AS last FROM hub.archive_range WHERE stream = $1',
        ['ledger'],
      );
      return rows[0].last === COUNT + 2_000;
    });
    expect(await sample(url, 'axiom_connector_missed_total')).to.be.greaterThan(1_000);
    const back = await subscribeOver('websocket', { url: platform.app.url }, { topics: ['ledger:*'], since });
    expect(back.verdicts).to.deep.equal([{ topic: 'ledger:*', recovered: false, reason: 'trimmed' }]);
    back.close();
  });

  it('keeps a deletion, which reads as it was told, and what was there before a stream was emptied', async () => {
    const { log } = platform.app.hub;
    await publishMany('emptied', 1, 1, () => 'gone');
    await log.append('emptied', [{ key: 'gone', data: TOMBSTONE }]);
    const { epoch } = await log.check('emptied', 0);
    for (let n = 1; n <= 1_000; n += 100) {
      await publishMany('emptied', n, n + 99);
      await until('it is archived', async () => (await archived('emptied')) >= n + 101);
    }
    expect((await log.check('emptied', 0)).first).to.be.above(2);
    const client = await subscribeOver(
      'websocket',
      { url: platform.app.url },
      { topics: ['emptied:gone'], since: `emptied.${epoch}.1` },
    );
    await until('it is here', () => client.seen.messages.length === 1);
    expect(client.seen.messages[0]).to.include({ topic: 'emptied:gone', seq: 2, data: null, deleted: true });
    const { rows } = await db.query(
      "SELECT data::jsonb AS data FROM hub.archive WHERE stream = 'emptied' AND key = 'gone' ORDER BY seq",
    );
    expect(rows[1]).to.deep.equal({ data: null });

    await log.clear('emptied');
    await publishMany('emptied', 1, 1);
    await until('it goes on in the new epoch', async () => (await archived('emptied')) === 1_003);
    client.close();
  });

  it(`archives each message once when it is killed ${KILLS} times under load`, async () => {
    let stopped = false;
    let last = 0;
    const publisher = (async () => {
      while (!stopped) {
        await publishMany('killed', last + 1, last + 50);
        last += 50;
        await delay(10);
      }
    })();
    await killRepeatedly(connector, KILLS);
    stopped = true;
    await publisher;
    await until('all is archived', async () => (await archived('killed')) >= last, { withinMs: 30_000 });
    const { rows } = await db.query<{ seq: string; key: string; data: { n: number } }>(
      'SELECT seq, key, data::jsonb AS data FROM hub.archive WHERE stream = $1 ORDER BY seq',
      ['killed'],
    );
    const result = account(
      'archive',
      Array.from({ length: last }, (_, i) => ({ key: `k${(i + 1) % 5}`, n: i + 1 })),
      rows.map(({ seq, key, data }) => ({ topic: `killed:${key}`, seq: Number(seq), time: 0, data })),
      ({ topic, data }) => ({ key: topic.slice('killed:'.length), n: (data as { n: number }).n }),
    );
    printAccount(KILLS, result);
    expect(result).to.include({ lost: 0, doubled: 0, disordered: 0, rows: last, messages: last });
    const ranges = await db.query('SELECT first::int, last::int FROM hub.archive_range WHERE stream = $1', [
      'killed',
    ]);
    expect(ranges.rows).to.deep.equal([{ first: 1, last }]);
  });

  it('continues in the new epoch of a log that has lost messages, and keeps the old ones', async () => {
    await connector.stop('SIGTERM');
    const own = await OwnRedis.start();
    const other = await connectorProcess('archive', { ...env, REDIS_URL: own.url });
    const client = await connectPostgres({
      url: platform.postgres.url,
      application: 'spec',
      logger: silentLogger,
    });
    try {
      const link = await own.connect();
      // What a Redis that came back with older data looks like after the nodes gave it another epoch.
      const before = await new ArchiveTables(client).position('killed');
      const entries = await new ArchiveTables(client).range(
        'killed',
        before!.epoch,
        before!.seq - 9,
        before!.seq,
      );
      for (const { seq, time, key, data } of entries.slice(0, 6)) {
        await link.command(['XADD', '{killed}:log', `${seq}-0`, 't', String(time), 'k', key, 'd', data]);
      }
      const top = entries[5]!.seq;
      await link.command([
        'XADD',
        '{killed}:log',
        `${top + 1}-0`,
        't',
        String(Date.now()),
        'k',
        'new',
        'd',
        '"new"',
      ]);
      await link.command(['HSET', '{killed}:meta', 'epoch', 'later1', 'seq', String(top + 1)]);
      await other.process.start();
      await until('the new message is archived', async () => {
        const { rows } = await db.query(
          "SELECT seq::int FROM hub.archive WHERE stream = 'killed' AND epoch = 'later1'",
        );
        return rows.length === 1 && rows[0].seq === top + 1;
      });
      expect(await archived('killed')).to.equal(before!.seq + 1);
    } finally {
      await client.end();
      await other.process.stop('SIGKILL');
      await own.stop();
    }
  });

  it('drops whole days beyond its retention, and knows where it begins then', async () => {
    const client = await connectPostgres({
      url: platform.postgres.url,
      application: 'spec',
      logger: silentLogger,
    });
    try {
      const tables = new ArchiveTables(client);
      const day = 86_400_000;
      const entry = (seq: number, time: number) => ({ seq, time, key: 'k', data: '1' });
      const now = Date.now();
      await tables.write(
        'aged',
        'e1',
        [entry(1, now - 9 * day), entry(2, now - 9 * day), entry(3, now - 8 * day)],
        undefined,
      );
      await tables.write('aged', 'e1', [entry(4, now - day), entry(5, now)], { epoch: 'e1', seq: 3 });
      expect(await tables.dropBefore(dayOf(now - 3 * day))).to.equal(2);
      const { rows } = await db.query(
        "SELECT first::int, last::int FROM hub.archive_range WHERE stream = 'aged'",
      );
      expect(rows).to.deep.equal([{ first: 4, last: 5 }]);
      expect((await tables.range('aged', 'e1', 1, 9)).map(({ seq }) => seq)).to.deep.equal([4, 5]);
      const failed = await tables
        .write('aged', 'e1', [entry(5, now)], { epoch: 'e1', seq: 4 })
        .catch((error: Error) => error);
      expect((failed as Error).message).to.equal('somebody else archives the stream aged');
    } finally {
      await client.end();
    }
  });
});
