/** What the Model Context Protocol may take of a node: no batches, few waits of one caller, pages, answers of a size. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { expect } from 'chai';
import type { HubError } from '../../server/errors.js';
import { FREE, HUB_ITSELF, type Work } from '../../server/hub/access.js';
import { waitForMessages } from '../../server/mcp/wait.js';
import { MessageWaits, WAITS } from '../../server/mcp/waits.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { ANONYMOUS, bearer, startSecuredApp, token } from '../auth/support.js';
import { call } from '../support/http.js';
import { until } from '../support/wait.js';

const KIB = 1024;
const LARGE = 60 * KIB;
const KEYS = 250;

type Json = Record<string, unknown>;
interface Page extends Json {
  readonly messages: readonly { topic: string; seq: number }[];
  readonly cursor: string;
  readonly more: boolean;
  readonly before?: number;
}

describe('Waits for messages', () => {
  const codeOf = (work: () => unknown) => {
    try {
      work();
      return undefined;
    } catch (error) {
      return (error as HubError).code;
    }
  };

  it('are counted by subject, by address, and for all without a token', () => {
    const waits = new MessageWaits();
    const enter = (subject?: string, address?: string) => () => waits.enter({ subject, address });
    for (let i = 0; i < WAITS.subject; i++) expect(codeOf(enter('alice', 'a'))).to.equal(undefined);
    expect(codeOf(enter('alice', 'b'))).to.equal('rate_limited');
    for (let i = 0; i < WAITS.address; i++) expect(codeOf(enter(undefined, 'a'))).to.equal(undefined);
    expect(codeOf(enter(undefined, 'a'))).to.equal('rate_limited');
    for (let i = WAITS.address; i < WAITS.anonymous; i++)
      expect(codeOf(enter(undefined, `b${Math.floor(i / WAITS.address)}`))).to.equal(undefined);
    expect(codeOf(enter(undefined, 'c'))).to.equal('rate_limited');
    expect(codeOf(enter('bob', 'c'))).to.equal(undefined);
    for (let i = waits.size; i < WAITS.node; i++) expect(codeOf(enter(`s${i}`, 'a'))).to.equal(undefined);
    expect(codeOf(enter('carol', 'd'))).to.equal('overloaded');
  });

  it('give their places back', () => {
    const waits = new MessageWaits();
    for (let i = 0; i < 3 * WAITS.node; i++) waits.enter({ subject: undefined, address: 'a' })();
    expect(waits.size).to.equal(0);
  });
});

describe('The bounds of the Model Context Protocol', () => {
  let app: RunningNode;
  let publisher: Record<string, string>;
  const clients: Client[] = [];

  before(async () => {
    app = await startSecuredApp({
      MAX_REQUESTS_PER_SECOND_PER_ADDRESS: '100000',
      MAX_REQUESTS_PER_SECOND_PER_SUBJECT: '100000',
    });
    publisher = bearer(await token({ sub: 'publisher', publish: ['news:*', 'system:*'] }));
    await publish(Array.from({ length: KEYS }, (_, i) => ({ topic: `news:k${i}`, data: i })));
    const data = 'x'.repeat(LARGE);
    await publish(Array.from({ length: 12 }, (_, i) => ({ topic: `system:large${i}`, data })));
  });

  afterEach(async () => {
    for (const client of clients.splice(0)) await client.close();
  });

  after(() => app?.stop());

  const publish = async (items: readonly Json[]) => {
    const { body } = await call<{ results: { ok: boolean; seq: number }[] }>(
      'POST',
      `${app.url}/api/messages`,
      JSON.stringify(items),
      publisher,
    );
    for (const { ok } of body.results) expect(ok).to.equal(true);
    return body.results.at(-1)!.seq;
  };
  const post = (body: string | Buffer, headers: Record<string, string> = publisher) =>
    call('POST', `${app.url}/mcp`, body, {
      'Content-Type': 'application/json',
      Accept: 'application/json, text/event-stream',
      ...headers,
    });
  const tool = (name: string, args: Json = {}) =>
    JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name, arguments: args } });
  const use = async <T = Page>(name: string, args: Json = {}, headers = publisher) => {
    const { body } = await post(tool(name, args), headers);
    const { content, isError } = body.result as { content: [{ text: string }]; isError?: boolean };
    return { ...(JSON.parse(content[0].text) as T), isError };
  };

  it('refuse a batch before any of it is carried out', async () => {
    const { last } = app.hub.stream('news').tail;
    const one = tool('publish', { topic: 'news:batch', data: 1 });
    const { status, body } = await post(`[${one},${one}]`);
    expect(status).to.equal(400);
    expect(body).to.include({ code: 'bad_request', field: 'body' });
    expect(app.hub.stream('news').tail.last).to.equal(last);
  });

  it('read little of a client without a token, whatever type it says', async () => {
    const large = tool('read_topic', { topic: 'x'.repeat(20 * KIB) });
    expect((await post(large, ANONYMOUS)).status).to.equal(413);
    expect((await post(large)).status).to.equal(200);
    const larger = tool('read_topic', { topic: 'x'.repeat(200 * KIB) });
    expect((await post(larger)).status).to.equal(413);
    const type = { ...publisher, 'Content-Type': 'text/plain; x="application/json"' };
    expect((await post(larger, type)).status).to.equal(413);
    expect((await post(larger, bearer('wrong'))).status).to.equal(401);
  });

  it('leave places for others, however many calls of two clients wait', async () => {
    const gone = new AbortController();
    const waiting = ['203.0.113.1', '203.0.113.2'].flatMap((address) =>
      Array.from({ length: 100 }, () =>
        fetch(`${app.url}/mcp`, {
          method: 'POST',
          body: tool('wait_for_message', { topic: 'news:never', timeout_seconds: 50 }),
          headers: {
            'Content-Type': 'application/json',
            Accept: 'application/json, text/event-stream',
            'X-Forwarded-For': address,
          },
          signal: gone.signal,
        }).then(
          async (response) => `${response.status} ${/rate_limited/.test(await response.text())}`,
          () => 'waiting',
        ),
      ),
    );
    let settled = 0;
    for (const each of waiting) void each.then(() => (settled += 1));
    await until('the others are refused', () => settled === 200 - 2 * WAITS.address);
    const other = { ...ANONYMOUS, 'X-Forwarded-For': '203.0.113.3' };
    const args = { topic: 'news:k1', timeout_seconds: 0.2 };
    expect((await use('wait_for_message', args, other)).messages).to.deep.equal([]);
    expect((await use('wait_for_message', args)).messages).to.deep.equal([]);
    gone.abort();
    expect((await Promise.all(waiting)).filter((each) => each === 'waiting')).to.have.length(
      2 * WAITS.address,
    );
    await until('their places are free', async () => {
      const first = { ...ANONYMOUS, 'X-Forwarded-For': '203.0.113.1' };
      return (await use('wait_for_message', { ...args, timeout_seconds: 0.1 }, first)).isError !== true;
    });
  });

  it('walk over nothing while a call waits for a rare key', async () => {
    const waits = new MessageWaits();
    let walked = 0;
    const meter = {
      ...FREE,
      charge: (work: Work, amount: number) => {
        if (work === 'messages_walked' || work === 'messages_read') walked += amount;
      },
    };
    const caller = { principal: HUB_ITSELF, meter, address: undefined, spendPublishes: () => undefined };
    const calls = Array.from({ length: 10 }, () => {
      const { signal } = new AbortController();
      const request = { topic: 'news:rare', limit: 10, maxBytes: LARGE, timeoutMs: 50_000, signal };
      return waitForMessages(app.hub, waits, request, caller);
    });
    await until('they wait', () => waits.size === 10);
    for (let i = 0; i < 100; i++)
      await publish(Array.from({ length: 50 }, () => ({ topic: 'news:k0', data: i })));
    await until(
      'they have come',
      () => app.hub.stream('news').tail.lastValues.get('k0')?.seq === app.hub.stream('news').tail.last,
    );
    const seq = await publish([{ topic: 'news:rare', data: 1 }]);
    for (const { messages } of await Promise.all(calls))
      expect(messages.map((each) => each.seq)).to.deep.equal([seq]);
    // 5,000 messages for each of the ten, if they walked over the stream; what came since the timer's last look remains.
    expect(walked).to.be.below(12_500);
    expect(waits.size).to.equal(0);
  });

  it('list topics in pages', async () => {
    const client = new Client({ name: 'spec', version: '1.0.0' });
    const transport = new StreamableHTTPClientTransport(new URL(`${app.url}/mcp`), {
      requestInit: { headers: publisher },
    });
    await client.connect(transport as Transport);
    clients.push(client);
    const names: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await client.listResources(cursor === undefined ? {} : { cursor });
      expect(page.resources.length).to.be.within(1, 100);
      names.push(...page.resources.map(({ name }) => name));
      cursor = page.nextCursor;
    } while (cursor !== undefined);
    expect(new Set(names).size).to.equal(names.length);
    const ofNews = names.filter((name) => /^news:k\d/.test(name));
    expect(ofNews).to.have.length(KEYS);
    expect(ofNews).to.deep.equal([...ofNews].sort());
    const wrong = await client.listResources({ cursor: 'bm9uZQ' }).catch((error: unknown) => error);
    expect(wrong).to.include({ code: -32602 });
  });

  it('list the topics of one stream in pages', async () => {
    interface Streams {
      readonly streams: readonly { name: string; topics: string[]; moreTopics: boolean }[];
    }
    const few = await use<Streams>('list_streams');
    expect(few.streams.find(({ name }) => name === 'news')).to.include({ moreTopics: true });
    const found: string[] = [];
    for (let more = true; more; ) {
      const after = found.at(-1);
      const page = await use<Streams>('list_streams', { stream: 'news', ...(after ? { after } : {}) });
      expect(page.streams).to.have.length(1);
      found.push(...page.streams[0]!.topics);
      more = page.streams[0]!.moreTopics;
    }
    expect(found.filter((name) => /^news:k\d/.test(name))).to.have.length(KEYS);
    expect(new Set(found).size).to.equal(found.length);
  });

  it('bound an answer in bytes, and say how to go on', async () => {
    const seqs: number[] = [];
    const begin = await use('read_topic', { topic: 'system:*', limit: 1 });
    let since = begin.cursor.replace(/\d+$/, '0');
    for (let more = true; more; ) {
      const { text, page } = await sized('read_topic', { topic: 'system:*', since, limit: 200 });
      expect(text).to.be.below(700 * KIB);
      seqs.push(...page.messages.map(({ seq }) => seq));
      ({ cursor: since, more } = page);
    }
    expect(seqs).to.deep.equal(Array.from({ length: 12 }, (_, i) => i + 1));

    const newest: number[] = [];
    for (let before: number | undefined, more = true; more; ) {
      const args = { topic: 'system:*', limit: 200, ...(before === undefined ? {} : { before }) };
      const { text, page } = await sized('latest', args);
      expect(text).to.be.below(700 * KIB);
      newest.push(...page.messages.map(({ seq }) => seq));
      ({ before, more } = page);
    }
    expect(newest).to.deep.equal([...seqs].reverse());
  });

  /** The answer of a tool, and how long it was. */
  async function sized(name: string, args: Json): Promise<{ text: number; page: Page }> {
    const response = await fetch(`${app.url}/mcp`, {
      method: 'POST',
      body: tool(name, args),
      headers: {
        'Content-Type': 'application/json',
        Accept: 'application/json, text/event-stream',
        ...publisher,
      },
    });
    const text = await response.text();
    const { result } = JSON.parse(text) as { result: { structuredContent: Page } };
    return { text: text.length, page: result.structuredContent };
  }
});
