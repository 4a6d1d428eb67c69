/** Event streams of more topics than an address can carry, and what is said of an address that is too long. */
import { connect } from 'node:net';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { Problem } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import { EventSource } from 'eventsource';
import { HubError } from '../../server/errors.js';
import { createLogger } from '../../server/logger.js';
import type { RunningNode } from '../../server/node/start-node.js';
import {
  MemorySubscriptionStore,
  OWNER_MAX_BYTES,
  SUBSCRIPTION_MIN_BYTES,
  type SubscriptionId,
  Subscriptions,
} from '../../server/transports/sse/subscriptions.js';
import { EventStream } from '../conformance/event-stream.js';
import { startTestApp } from '../http/test-app.js';
import { type Answer, call, publish } from '../support/http.js';
import { until } from '../support/wait.js';

/** As many as a connection may read, each with a name of the longest form. */
const TOPICS = Array.from({ length: 1000 }, (_, n) => `news:${String(n).padStart(128, 'k')}`);
const LAST = TOPICS.at(-1)!;

describe('A thousand topics in one event stream', () => {
  let app: RunningNode;
  const streams: { close(): void }[] = [];

  before(async () => {
    app = await startTestApp({ LOG_LEVEL: 'silent' });
  });

  after(async () => {
    for (const stream of streams) stream.close();
    await app?.stop();
  });

  const opened = (stream: EventStream) =>
    until('the position comes', () => stream.data('position').length > 0, {
      instead: () => stream.raw.slice(0, 300),
    });
  const messages = (stream: EventStream) => stream.data<{ data: unknown }>('message').map(({ data }) => data);

  async function post(body: unknown, headers: Record<string, string> = {}): Promise<EventStream> {
    const stream = await EventStream.open(`${app.url}/stream`, headers, JSON.stringify(body));
    streams.push(stream);
    return stream;
  }

  async function subscription(body: unknown): Promise<string> {
    const answer = await call<{ id: string; expiresInMs: number }>(
      'POST',
      `${app.url}/stream/subscriptions`,
      JSON.stringify(body),
    );
    expect(answer.status).to.equal(201);
    expect(answer.body.expiresInMs).to.equal(24 * 60 * 60 * 1000);
    expect(answer.body.id.length).to.be.below(64);
    return answer.body.id;
  }

  it('are read by a POST with the topics in its body, from a cursor too', async () => {
    const first = await post({ topics: TOPICS });
    await opened(first);
    await publish(app.url, LAST, 'seen');
    await until('the message comes', () => messages(first).length === 1);
    const cursor = first.events.findLast(({ id }) => id !== undefined)!.id!;
    first.close();
    await publish(app.url, LAST, 'missed');
    const ways = [
      await post({ topics: TOPICS, since: cursor }),
      await post({ topics: TOPICS, rewind: 2 }, { 'Last-Event-ID': cursor }),
    ];
    for (const stream of ways) {
      await until('what was missed comes', () => messages(stream).length > 0);
      expect(messages(stream)).to.deep.equal(['missed']);
      const [position] = stream.data<{ topics: { topic: string; recovered: boolean }[] }>('position');
      expect(position?.topics).to.deep.equal(TOPICS.map((topic) => ({ topic, recovered: true })));
    }
  });

  it('are read by an ordinary EventSource under a short id, again and again', async () => {
    const id = await subscription({ topics: TOPICS });
    const source = new EventSource(`${app.url}/stream?subscription=${id}`);
    streams.push(source);
    const seen: unknown[] = [];
    let opened = 0;
    source.onmessage = ({ data }) => seen.push((JSON.parse(String(data)) as { data: unknown }).data);
    source.addEventListener('position', ({ data }) => {
      if ((JSON.parse(String(data)) as { node?: string }).node !== undefined) opened += 1;
    });
    await until('it is positioned', () => opened === 1);
    await publish(app.url, LAST, 1);
    await until('the message comes', () => seen.length === 1);
    for (const subscriber of app.hub.subscribers.values()) subscriber.close(CLOSE.drain);
    await publish(app.url, LAST, 2);
    await until('it is back', () => opened === 2 && seen.length === 2);
    expect(seen).to.deep.equal([1, 2]);
  });

  it('have the same id for the same request, whatever the order of its fields', async () => {
    const id = await subscription({ topics: ['news:a'], rewind: 1 });
    expect(await subscription({ rewind: 1, topics: ['news:a'] })).to.equal(id);
    expect(await subscription({ topics: ['news:a'], rewind: 2 })).not.to.equal(id);
  });

  const refused: [
    what: string,
    ask: () => Promise<Answer<Problem>>,
    status: number,
    code: string,
    field?: string,
  ][] = [
    [
      'an id that is unknown',
      () => call('GET', `${app.url}/stream?subscription=${'a'.repeat(16)}.${'b'.repeat(22)}`),
      404,
      'not_found',
      'subscription',
    ],
    [
      'an id that is none',
      () => call('GET', `${app.url}/stream?subscription=x`),
      404,
      'not_found',
      'subscription',
    ],
    [
      'an id beside topics',
      async () =>
        call(
          'GET',
          `${app.url}/stream?topics=news:a&subscription=${await subscription({ topics: ['news:a'] })}`,
        ),
      400,
      'bad_request',
      'topics',
    ],
    ['a body that is not JSON', () => call('POST', `${app.url}/stream`, '{'), 400, 'bad_json', 'body'],
    [
      'a field that does not exist',
      () => call('POST', `${app.url}/stream`, '{"topics":["news:a"],"sinse":"-"}'),
      400,
      'bad_request',
      'sinse',
    ],
    [
      'an unknown stream in a subscription',
      () => call('POST', `${app.url}/stream/subscriptions`, '{"topics":["nothing:a"]}'),
      404,
      'unknown_stream',
      'topics[0]',
    ],
    [
      'a topic too many',
      () => call('POST', `${app.url}/stream`, JSON.stringify({ topics: [...TOPICS, 'news:more'] })),
      422,
      'too_many_topics',
    ],
    [
      'a body above 256 KiB',
      () =>
        call('POST', `${app.url}/stream/subscriptions`, JSON.stringify({ topics: ['x'.repeat(300_000)] })),
      413,
      'too_large',
      'body',
    ],
    [
      'an address above 16,000 bytes',
      () => call('GET', `${app.url}/stream?topics=${'x'.repeat(16_000)}`),
      414,
      'address_too_long',
    ],
  ];
  for (const [what, ask, status, code, field] of refused) {
    it(`are refused with ${status} ${code}: ${what}`, async () => {
      const { status: answered, body, headers } = await ask();
      expect(headers.get('content-type')).to.match(/^application\/problem\+json/);
      expect(body).to.include({ status, code, ...(field === undefined ? {} : { field }) });
      expect(answered).to.equal(status);
    });
  }

  it('fit into an address of 16,000 bytes as far as they go, beside a cursor of any length', async () => {
    const topics = TOPICS.slice(0, 100)
      .map((topic) => `topics=${topic}`)
      .join('&');
    const address = `${app.url}/stream?${topics}&topics=news:${'x'.repeat(16_000 - topics.length - 21)}`;
    expect(address.length - app.url.length).to.be.within(15_900, 16_000);
    const stream = await EventStream.open(address, { 'Last-Event-ID': 'x'.repeat(4_096) });
    streams.push(stream);
    await until('it is answered', () => stream.raw !== '');
    // The last topic is too long for a key: the node has read it all.
    expect([stream.status, stream.raw]).to.deep.include(400);
    expect(stream.json()).to.include({ code: 'bad_topic', field: 'topics[100]' });
  });

  it('are refused with problem details where the node cannot read the request at all', async () => {
    for (const [text, status, code] of [
      [
        `GET /health HTTP/1.1\r\nHost: localhost\r\nX-Long: ${'x'.repeat(40_000)}\r\n\r\n`,
        431,
        'headers_too_large',
      ],
      ['nonsense\r\n\r\n', 400, 'bad_request'],
    ] as const) {
      const answer = await new Promise<string>((resolve, reject) => {
        let all = '';
        const socket = connect(Number(new URL(app.url).port), '127.0.0.1', () => socket.write(text));
        socket.on('data', (data) => {
          all += String(data);
        });
        socket.on('error', reject);
        socket.on('close', () => resolve(all));
      });
      expect(answer).to.match(new RegExp(`^HTTP/1\\.1 ${status} `));
      expect(answer).to.match(/^content-type: application\/problem\+json/im);
      expect(JSON.parse(answer.split('\r\n\r\n')[1]!)).to.include({ status, code });
    }
  });
});

describe('A subscription', () => {
  const logger = createLogger('silent', 'node');
  const text = (n: number) => `${String(n).padEnd(OWNER_MAX_BYTES / 4, 'x')}`;

  it('is dropped when its owner keeps more than it may, the one that was not used for longest first', async () => {
    const store = new MemorySubscriptionStore();
    const subscriptions = new Subscriptions(store, logger);
    const other = await subscriptions.create('another', text(0));
    const ids: string[] = [];
    for (let n = 0; n < 4; n++) ids.push(await subscriptions.create('owner', text(n)));
    expect(await subscriptions.create('owner', text(0)), 'used again').to.equal(ids[0]);
    await subscriptions.create('owner', text(4));
    const kept = await Promise.all(
      ids.map((id) =>
        subscriptions.find(id).then(
          () => true,
          () => false,
        ),
      ),
    );
    expect(kept).to.deep.equal([true, false, true, true]);
    expect(await subscriptions.find(other)).to.equal(text(0));
    subscriptions.close();
  });

  it('that a stream reads is written again where it was lost', async () => {
    const kept = new Map<string, string>();
    const keyOf = ({ owner, digest }: SubscriptionId) => `${owner} ${digest}`;
    let doubt: (() => void) | undefined;
    let failures = 0;
    const store = {
      put: async (id: SubscriptionId, text: string) => {
        if (failures-- > 0) throw new HubError('log_unavailable', 'Redis is out of reach');
        kept.set(keyOf(id), text);
      },
      get: async (id: SubscriptionId) => kept.get(keyOf(id)) ?? null,
      remove: async (id: SubscriptionId) => void kept.delete(keyOf(id)),
      onDoubt: (listener: () => void) => {
        doubt = listener;
      },
    };
    const subscriptions = new Subscriptions(store, logger);
    const id = await subscriptions.create('owner', '{}');
    const release = subscriptions.hold(id, '{}');
    kept.clear();
    await subscriptions.renew();
    expect([...kept.values()]).to.deep.equal(['{}']);
    kept.clear();
    failures = 2;
    doubt?.();
    await until('it is written again as soon as the store may have lost it', () => kept.size === 1);
    release();
    kept.clear();
    await subscriptions.renew();
    expect(kept.size).to.equal(0);
    subscriptions.close();
  });

  it('that nobody reads are bounded together, whosever they are: those that were not used for longest go', async () => {
    const subscriptions = new Subscriptions(
      new MemorySubscriptionStore(),
      logger,
      5 * SUBSCRIPTION_MIN_BYTES,
    );
    const ids: string[] = [];
    const read = await subscriptions.create('owner', '{}');
    const release = subscriptions.hold(read, '{}');
    for (let n = 0; n < 20; n++) ids.push(await subscriptions.create(`owner ${n}`, '{}'));
    const isKept = (id: string) =>
      subscriptions.find(id).then(
        () => true,
        () => false,
      );
    expect(await Promise.all(ids.map(isKept))).to.deep.equal(ids.map((_, n) => n >= 15));
    expect(await isKept(read), 'one that is read').to.equal(true);
    release();
    subscriptions.close();
  });
});
