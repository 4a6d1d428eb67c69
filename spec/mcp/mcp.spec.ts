import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { expect } from 'chai';
import { SignJWT } from 'jose';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { authorization, SPEC_KEY } from '../support/credentials.js';
import { publish } from '../support/http.js';
import { streamsFile } from '../support/streams-file.js';

const SECRET = 'a-secret-of-thirty-two-bytes-or-more';

type Answer = Record<string, unknown> & {
  messages: { topic: string; seq: number; data: unknown }[];
  cursor: string;
};

describe('The Model Context Protocol at /mcp', () => {
  let app: RunningNode;
  const clients: Client[] = [];

  const connect = async (token = SPEC_KEY, to = app) => {
    const client = new Client({ name: 'spec', version: '1.0.0' });
    const transport = new StreamableHTTPClientTransport(new URL(`${to.url}/mcp`), {
      requestInit: { headers: authorization(token) },
    });
    await client.connect(transport as Transport);
    clients.push(client);
    return client;
  };
  const use = async (client: Client, name: string, args: Record<string, unknown> = {}) => {
    const { content, isError } = await client.callTool({ name, arguments: args });
    const [{ text }] = content as [{ text: string }];
    return { isError: isError === true, answer: JSON.parse(text) as Answer };
  };

  before(async () => {
    app = await startTestApp();
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });

  after(() => app.stop());

  it('offers its tools to a client of the SDK', async () => {
    const { tools } = await (await connect()).listTools();
    expect(tools.map(({ name }) => name)).to.have.members([
      'list_streams',
      'read_topic',
      'latest',
      'publish',
      'wait_for_message',
    ]);
  });

  it('publishes once for an id, reads, and tells the newest of each key', async () => {
    const agent = await connect();
    const first = await use(agent, 'publish', {
      topic: 'signals:analysis/AAPL',
      data: { view: 'long' },
      id: 'a1',
    });
    const again = await use(agent, 'publish', {
      topic: 'signals:analysis/AAPL',
      data: { view: 'long' },
      id: 'a1',
    });
    await use(agent, 'publish', { topic: 'signals:analysis/AAPL', data: { view: 'flat' } });
    await use(agent, 'publish', { topic: 'signals:analysis/MSFT', data: null });
    expect(first.answer).to.include({ topic: 'signals:analysis/AAPL', seq: 1 });
    expect(again.answer).to.include({ seq: 1, duplicate: true });

    const read = await use(agent, 'read_topic', { topic: 'signals:analysis/AAPL' });
    expect(read.answer.messages.map(({ data }) => data)).to.deep.equal([{ view: 'long' }, { view: 'flat' }]);
    const latest = await use(agent, 'latest', { topic: 'signals:*' });
    expect(latest.answer.messages.map(({ topic, data }) => [topic, data])).to.deep.equal([
      ['signals:analysis/MSFT', null],
      ['signals:analysis/AAPL', { view: 'flat' }],
    ]);
    const streams = await use(agent, 'list_streams');
    expect(streams.answer.streams).to.deep.include({
      name: 'signals',
      class: 'ledger',
      lastSeq: 3,
      cursor: latest.answer.cursor,
      topics: ['signals:analysis/AAPL', 'signals:analysis/MSFT'],
      moreTopics: false,
    });
  });

  it('waits for the next message, and misses none between two waits', async () => {
    const agent = await connect();
    const waiting = use(agent, 'wait_for_message', { topic: 'news:*', timeout_seconds: 10 });
    await new Promise((resolve) => setTimeout(resolve, 100));
    await publish(app.url, 'news:a', 1);
    const first = await waiting;
    expect(first.answer.messages.map(({ data }) => data)).to.deep.equal([1]);
    await publish(app.url, 'news:a', 2);
    await publish(app.url, 'news:b', 3);
    const rest = await use(agent, 'wait_for_message', { topic: 'news:*', since: first.answer.cursor });
    expect(rest.answer.messages.map(({ data }) => data)).to.deep.equal([2, 3]);
    const none = await use(agent, 'wait_for_message', {
      topic: 'news:*',
      since: rest.answer.cursor,
      timeout_seconds: 0.2,
    });
    expect(none.answer).to.deep.include({ messages: [], cursor: rest.answer.cursor });
  });

  it('lists topics as resources and reads them', async () => {
    const agent = await connect();
    await publish(app.url, 'news:resource/1', { headline: 'Here' });
    const { resources } = await agent.listResources();
    const resource = resources.find(({ name }) => name === 'news:resource/1')!;
    const { contents } = await agent.readResource({ uri: resource.uri });
    const [{ text }] = contents as unknown as [{ text: string }];
    expect((JSON.parse(text) as Answer).messages[0]!.data).to.deep.equal({ headline: 'Here' });
  });

  it('reports errors like the other interfaces', async () => {
    const agent = await connect();
    const { isError, answer } = await use(agent, 'read_topic', { topic: 'nowhere:a' });
    expect(isError).to.equal(true);
    expect(answer).to.include({ code: 'unknown_stream', field: 'topic' });
  });

  it('lets nobody publish without a token', async () => {
    const { isError, answer } = await use(await connect(''), 'publish', { topic: 'news:a', data: 1 });
    expect(isError).to.equal(true);
    expect(answer).to.include({ code: 'token_missing' });
  });

  it('refuses an invalid token, pages of other origins, and other methods', async () => {
    const call = (headers: Record<string, string>, method = 'POST') =>
      fetch(`${app.url}/mcp`, {
        method,
        headers: {
          'Content-Type': 'application/json',
          Accept: 'application/json, text/event-stream',
          ...headers,
        },
        ...(method === 'POST' ? { body: '{"jsonrpc":"2.0","id":1,"method":"tools/list"}' } : {}),
      });
    expect((await call({})).status).to.equal(200);
    expect((await call({ Authorization: 'Bearer wrong' })).status).to.equal(401);
    expect((await call({ Origin: 'https://evil.example' })).status).to.equal(403);
    expect((await call({}, 'GET')).status).to.equal(405);
  });

  describe('with the grants of a token', () => {
    let granted: RunningNode;

    before(async () => {
      granted = await startTestApp({
        PUBLISH_KEY: '',
        JWT_SECRET: SECRET,
        STREAMS_FILE: streamsFile({
          news: { class: 'log' },
          analysis: { class: 'log' },
          portfolio: { class: 'state' },
        }),
      });
    });

    after(() => granted.stop());

    const tokenFor = (streams: { subscribe?: string[]; publish?: string[] }) =>
      new SignJWT({ streams })
        .setProtectedHeader({ alg: 'HS256' })
        .setSubject('agent')
        .setAudience('axiom-streaming')
        .setIssuedAt()
        .setExpirationTime('5m')
        .sign(new TextEncoder().encode(SECRET));

    it('reads and publishes what the token says, and nothing else', async () => {
      const token = await tokenFor({ subscribe: ['news:*'], publish: ['analysis:AAPL'] });
      const agent = await connect(token, granted);
      const publishTo = (topic: string) => use(agent, 'publish', { topic, data: 1 });
      expect((await publishTo('analysis:AAPL')).isError).to.equal(false);
      expect((await publishTo('analysis:MSFT')).answer).to.include({ code: 'denied' });
      expect((await use(agent, 'read_topic', { topic: 'analysis:AAPL' })).answer).to.include({
        code: 'denied',
      });
      expect((await use(agent, 'wait_for_message', { topic: 'portfolio:*' })).answer).to.include({
        code: 'denied',
      });
      const { answer } = await use(agent, 'list_streams');
      expect((answer.streams as { name: string }[]).map(({ name }) => name)).to.not.include('analysis');
      const { resources } = await agent.listResources();
      expect(resources.filter(({ name }) => name.startsWith('analysis:'))).to.deep.equal([]);
    });

    it('lets an agent watch the news, and another see the analysis that it makes of each', async () => {
      const analyst = await connect(
        await tokenFor({ subscribe: ['news:*'], publish: ['analysis:*'] }),
        granted,
      );
      const reader = await connect(await tokenFor({ subscribe: ['analysis:*'] }), granted);
      const editor = await connect(await tokenFor({ publish: ['news:*'] }), granted);
      let { cursor } = (await use(analyst, 'read_topic', { topic: 'news:*', limit: 1 })).answer;
      for (let n = 1; n <= 5; n++) {
        await use(editor, 'publish', { topic: 'news:AAPL', data: { headline: `Number ${n}` } });
      }
      for (let analysed = 0; analysed < 5; ) {
        const { answer } = await use(analyst, 'wait_for_message', {
          topic: 'news:*',
          since: cursor,
          limit: 2,
        });
        for (const { seq, data } of answer.messages) {
          const { headline } = data as { headline: string };
          // An id of the source makes the analysis one, however often an agent begins again.
          const analysis = { topic: 'analysis:digest', data: { of: headline }, id: `news-${seq}` };
          await use(analyst, 'publish', analysis);
          await use(analyst, 'publish', analysis);
          analysed += 1;
        }
        ({ cursor } = answer);
      }
      const { answer } = await use(reader, 'read_topic', { topic: 'analysis:digest' });
      expect(answer.messages.map(({ data }) => data)).to.deep.equal(
        Array.from({ length: 5 }, (_, i) => ({ of: `Number ${i + 1}` })),
      );
    });
  });
});
