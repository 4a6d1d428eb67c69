import type { Problem } from '@axiom-streaming/protocol/errors';
import type { Message } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import { type Logger, silentLogger } from '../../server/logger.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { bearer, SECRET, token } from '../auth/support.js';
import { CLIENTS, type TestClient } from '../support/client.js';
import { call } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { startTestApp } from './test-app.js';

describe('Deleting over HTTP', () => {
  let app: RunningNode;
  let root: string;
  let lines: object[];
  let clients: TestClient[];

  before(async () => {
    root = await token({
      sub: 'root',
      admin: true,
      publish: ['market:*', 'news:*'],
      subscribe: ['market:*'],
    });
  });

  beforeEach(async () => {
    lines = [];
    clients = [];
    const keep = (fields: object | string) => {
      if (typeof fields === 'object') lines.push(fields);
    };
    const logger: Logger = { ...silentLogger, warn: keep, info: keep };
    app = await startTestApp({ JWT_SECRET: SECRET, PUBLISH_KEY: '' }, logger);
  });

  afterEach(async () => {
    for (const client of clients) client.close();
    await app?.stop();
  });

  const publish = async (topic: string, data: unknown) => {
    const path = `${app.url}/api/topics/${encodeURIComponent(topic)}/messages`;
    const { body } = await call<{ seq: number }>('POST', path, JSON.stringify(data), bearer(root));
    const tail = app.hub.stream(topic.split(':')[0]!).tail;
    await until('the hub has it', () => tail.last >= body.seq);
  };
  const remove = (topic: string, text = root) =>
    call<Problem & Record<string, unknown>>(
      'DELETE',
      `${app.url}/api/topics/${encodeURIComponent(topic)}`,
      undefined,
      bearer(text),
    );
  const read = <T>(path: string) => call<T>('GET', `${app.url}${path}`, undefined, bearer(root));
  const subscribe = async (name: (typeof CLIENTS)[number], topics: string[], since?: string) => {
    const client = await subscribeOver(
      name,
      { url: app.url, token: root },
      { topics, ...(since === undefined ? {} : { since }) },
    );
    clients.push(client);
    return client;
  };
  const shown = ({ topic, seq, data, deleted }: Message) => [topic, seq, data, deleted];

  for (const name of CLIENTS) {
    it(`tells readers of a key over ${name} that it is deleted, now and when they come back`, async () => {
      await publish('market:A', 1);
      await publish('market:B', 2);
      const here = await subscribe(name, ['market:A']);
      await until('the snapshot is here', () => here.seen.messages.length === 1);
      const away = await subscribe(name, ['market:A']);
      const cursor = away.seen.cursor;
      away.close();

      const { status, body } = await remove('market:A');
      expect(status).to.equal(200);
      expect(body).to.deep.include({ topic: 'market:A', keys: 1, seq: 3 });

      await until('it is told', () => here.seen.messages.length === 2);
      expect(shown(here.seen.messages[1]!)).to.deep.equal(['market:A', 3, null, true]);
      const back = await subscribe(name, ['market:A'], cursor);
      expect(back.verdicts).to.deep.equal([{ topic: 'market:A', recovered: true }]);
      await until('it is told too', () => back.seen.messages.length > 0);
      expect(back.seen.messages.map(shown)).to.deep.equal([['market:A', 3, null, true]]);
    });
  }

  it('takes the key out of snapshots, lists and counts; its earlier messages stay in the log', async () => {
    await publish('market:A', 1);
    await publish('market:B', 2);
    await remove('market:A');
    await until('the hub has it', () => app.hub.stream('market').tail.last === 3);

    const missing = await read<Problem>('/api/topics/market:A');
    expect([missing.status, missing.body.code, missing.body.field]).to.deep.equal([
      404,
      'not_found',
      'topic',
    ]);
    const { body } = await read<{ topics: string[]; keys: number }>('/api/streams/market');
    expect(body).to.deep.include({ topics: ['market:B'], keys: 1 });
    const { seen } = await subscribe('websocket', ['market:*']);
    await until('the snapshot is here', () => seen.messages.length > 0);
    expect(seen.messages.map(({ topic }) => topic)).to.deep.equal(['market:B']);
    const history = await read<{ messages: Message[] }>('/api/topics/market:*/messages');
    expect(history.body.messages.map(shown)).to.deep.equal([
      ['market:A', 1, 1, undefined],
      ['market:B', 2, 2, undefined],
      ['market:A', 3, null, true],
    ]);
    await publish('market:A', 4);
    expect((await read('/api/topics/market:A')).status).to.equal(200);
  });

  it('brings a deletion to a conflated reader of all keys that comes back', async () => {
    await publish('market:A', 1);
    await publish('market:B', 1);
    const away = await subscribe('websocket', ['market:*']);
    const cursor = away.seen.cursor;
    away.close();
    await publish('market:B', 2);
    await remove('market:A');
    const client = await subscribeOver(
      'websocket',
      { url: app.url, token: root },
      { topics: ['market:*'], since: cursor, conflate: 'latest', maxRate: 100 },
    );
    clients.push(client);
    await until('both are here', () => client.seen.messages.length === 2);
    expect(client.seen.messages.map(shown)).to.deep.equal([
      ['market:B', 3, 2, undefined],
      ['market:A', 4, null, true],
    ]);
  });

  it('refuses a key without a value, a topic that is none, and everybody but administrators', async () => {
    await publish('market:A', 1);
    await remove('market:A');
    const refusals: unknown[] = [];
    for (const topic of ['market:A', 'market:never', 'sport:a', 'market']) {
      const { status, body } = await remove(topic);
      refusals.push([topic, status, body.code, body.field]);
    }
    expect(refusals).to.deep.equal([
      ['market:A', 404, 'not_found', 'topic'],
      ['market:never', 404, 'not_found', 'topic'],
      ['sport:a', 404, 'unknown_stream', 'topic'],
      ['market', 400, 'bad_topic', 'topic'],
    ]);
    const publisher = await token({ publish: ['market:*'], subscribe: ['market:*'] });
    await publish('market:A', 1);
    expect((await remove('market:A', publisher)).body.code).to.equal('denied');
    expect((await call('DELETE', `${app.url}/api/topics/market:A`)).status).to.equal(401);
    expect((await read('/api/topics/market:A')).status).to.equal(200);
  });

  it('ends what a stream holds: readers are told, cursors of it are out of date, and nothing is left', async () => {
    await publish('market:A', 1);
    await publish('market:B', 2);
    const reader = await subscribe('websocket', ['market:*']);
    await until('the snapshot is here', () => reader.seen.messages.length === 2);
    const { cursor } = reader.seen;

    const { status, body } = await remove('market:*');
    expect([status, body.topic, body.keys]).to.deep.equal([200, 'market:*', 2]);

    await until('it is told', () => reader.seen.gaps.length === 1);
    expect(reader.seen.gaps[0]).to.include({ stream: 'market', reason: 'epoch_changed', epoch: body.epoch });
    const back = await subscribe('websocket', ['market:*'], cursor);
    expect(back.verdicts).to.deep.equal([{ topic: 'market:*', recovered: false, reason: 'epoch_changed' }]);
    const stream = await read<{ keys: number; topics: string[] }>('/api/streams/market');
    expect(stream.body).to.deep.include({ keys: 0, topics: [] });
    const again = await remove('market:*');
    expect(again.body).to.deep.include({ keys: 0, epoch: body.epoch });
    await publish('market:C', 3);
    await until('it goes on', () => reader.seen.data('market:C').length === 1);
  });

  it('pays for a deletion as for ten requests', async () => {
    const units = async () => {
      const { body } = await call<string>('GET', `${app.url}/metrics`, undefined, { Authorization: '' });
      return Number(/axiom_work_units_total\{kind="deletions"\} ([\d.]+)/.exec(body)?.[1] ?? 0);
    };
    await publish('market:A', 1);
    await remove('market:A');
    expect(await units()).to.equal(10);
  });

  it('leaves a line for the audit: who has deleted what', async () => {
    await publish('market:A', 1);
    await remove('market:A');
    expect(lines).to.deep.include({
      audit: 'delete',
      topic: 'market:A',
      keys: 1,
      seq: 2,
      epoch: app.hub.stream('market').tail.epoch,
      subject: 'root',
      address: '127.0.0.1',
    });
  });
});
