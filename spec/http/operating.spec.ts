import type { Problem } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import { VERSION } from '../../server/manifest.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { call, get, publish } from '../support/http.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';
import { startTestApp } from './test-app.js';

/** Samples by name and labels, from the text that Prometheus reads. @throws Error where a line is none. */
function parseMetrics(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const types = new Map<string, string>();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('# HELP ')) continue;
    const type = /^# TYPE (\w+) (counter|gauge|histogram)$/.exec(line);
    if (type !== null) {
      types.set(type[1]!, type[2]!);
      continue;
    }
    const sample = /^([a-z_0-9]+)(\{(?:[a-z_]+="(?:[^"\\\n]|\\.)*",?)*\})? (-?[0-9.e+-]+|\+Inf|NaN)$/.exec(
      line,
    );
    if (sample === null) throw new Error(`no line of metrics: ${line}`);
    const [, name = '', labels = '', value = ''] = sample;
    const family = name.replace(/_(bucket|sum|count)$/, '');
    if (!types.has(name) && types.get(family) !== 'histogram') throw new Error(`${name} has no type`);
    if (types.get(name) === 'counter' && !name.endsWith('_total')) throw new Error(`${name} is a counter`);
    samples.set(`${name}${labels}`, Number(value));
  }
  return samples;
}

describe('Operating over HTTP', () => {
  let app: RunningNode;

  beforeEach(async () => {
    app = await startTestApp();
  });

  afterEach(() => app?.stop());

  describe('health', () => {
    it('says how the whole cluster is', async () => {
      const { status, body, headers } = await get(`${app.url}/health`);
      expect(status).to.equal(200);
      expect(body).to.include({
        status: 'ok',
        node: 'test-node',
        version: VERSION,
        instances: 1,
        connections: 0,
        redis_connected: null,
        load_balancer: false,
        log: 'memory',
      });
      expect(body.uptime_seconds).to.be.a('number').and.satisfy(Number.isInteger);
      expect(headers.get('content-type')).to.match(/^application\/json/);
    });

    it('counts the connections', async () => {
      const client = await WebSocketTestClient.connect({ url: app.url });
      await until('it is counted', async () => (await get(`${app.url}/health`)).body.connections === 1);
      client.close();
      await until(
        'it is counted no more',
        async () => (await get(`${app.url}/health`)).body.connections === 0,
      );
    });

    it('knows whether there is a load balancer in front of it', async () => {
      const { body } = await call('GET', `${app.url}/health`, undefined, { 'X-Forwarded-For': '127.0.5.1' });
      expect(body.load_balancer).to.equal(true);
    });

    it('is "degraded" while the log is unreachable: alive, not ready', async () => {
      app.hub.interrupted();
      const [health, ready, live] = await Promise.all(
        ['/health', '/health/ready', '/health/live'].map((path) => get(`${app.url}${path}`)),
      );
      expect(health).to.have.property('status', 503);
      expect(health!.body).to.include({ status: 'degraded' });
      expect(ready).to.have.property('status', 503);
      expect(ready!.headers.get('retry-after')).to.equal('1');
      expect(ready!.body).to.deep.equal({ status: 'degraded', cause: 'log_not_live', node: 'test-node' });
      expect(live).to.have.property('status', 200);

      app.hub.resumed();
      await app.hub.whenLive();
      expect((await get(`${app.url}/health/ready`)).body).to.deep.equal({ status: 'ok', node: 'test-node' });
    });

    it('is "draining" while the node is being shut down', async () => {
      await app.hub.drain(0);
      const { status, body } = await get(`${app.url}/health/ready`);
      expect(status).to.equal(503);
      expect(body).to.deep.equal({ status: 'draining', node: 'test-node' });
      expect((await get(`${app.url}/health/live`)).status).to.equal(200);
    });
  });

  it('lists the nodes with their measurements', async () => {
    const { status, body } = await get<{ node: string; nodes: Record<string, unknown>[] }>(
      `${app.url}/api/nodes`,
    );
    expect(status).to.equal(200);
    expect(body.node).to.equal('test-node');
    expect(body.nodes).to.have.length(1);
    expect(body.nodes[0]).to.deep.include({
      node: 'test-node',
      version: VERSION,
      connections: { socketio: 0, websocket: 0, sse: 0 },
      redisConnected: null,
      redisPingMs: null,
      draining: false,
    });
    for (const figure of [
      'at',
      'startedAt',
      'rssBytes',
      'cpuPercent',
      'eventLoopLagMs',
      'publishedPerSecond',
    ]) {
      expect(body.nodes[0]![figure], figure).to.be.a('number').and.at.least(0);
    }
  });

  describe('metrics', () => {
    const metrics = async (headers: Record<string, string> = {}) => {
      const answer = await call<string>('GET', `${app.url}/metrics`, undefined, headers);
      expect(answer.status).to.equal(200);
      expect(answer.headers.get('content-type')).to.match(/^text\/plain; version=0\.0\.4/);
      return parseMetrics(answer.body);
    };

    it('are those that dashboards and alerts are made of', async () => {
      const names = new Set([...(await metrics()).keys()].map((sample) => sample.replace(/\{.*/, '')));
      for (const name of [
        'axiom_build_info',
        'axiom_connections',
        'axiom_subscriptions',
        'axiom_messages_published_total',
        'axiom_messages_received_total',
        'axiom_messages_delivered_total',
        'axiom_messages_conflated_total',
        'axiom_messages_dropped_total',
        'axiom_slow_consumers_total',
        'axiom_slow_connections',
        'axiom_gap_fills_total',
        'axiom_log_range_reads_total',
        'axiom_epoch_changes_total',
        'axiom_lost_messages_total',
        'axiom_window_bytes',
        'axiom_draining',
        'axiom_delivery_latency_seconds_bucket',
        'process_resident_memory_bytes',
        'process_cpu_seconds_total',
        'process_start_time_seconds',
        'nodejs_heap_used_bytes',
        'nodejs_eventloop_lag_p99_seconds',
      ]) {
        expect(names, name).to.include(name);
      }
      expect([...names].filter((name) => name.startsWith('axiom_redis'))).to.deep.equal([]);
    });

    it('count what happens', async () => {
      const client = await WebSocketTestClient.subscribe(
        { url: app.url },
        { topics: ['news:secret-key', 'market:*'] },
      );
      for (let n = 0; n < 3; n++) await publish(app.url, 'news:secret-key', n);
      await publish(app.url, 'news:secret-key', 'once', { 'Idempotency-Key': 'x' });
      await publish(app.url, 'news:secret-key', 'other', { 'Idempotency-Key': 'x' });
      await publish(app.url, 'market:x', 1);
      await get(`${app.url}/api/topics/news%3Asecret-key/messages?since=news.older.1`);
      await get(`${app.url}/api/streams/sport`);
      await client.request('nonsense', {});
      await until('the client has everything', () => client.seen.messages.length === 5);
      const samples = await metrics();

      const expected: Record<string, number> = {
        'axiom_connections{transport="websocket"}': 1,
        'axiom_connections{transport="sse"}': 0,
        axiom_subscriptions: 2,
        'axiom_messages_published_total{stream="news",class="log"}': 4,
        'axiom_messages_published_total{stream="market",class="state"}': 1,
        'axiom_messages_published_total{stream="signals",class="ledger"}': 0,
        'axiom_messages_received_total{stream="news",class="log"}': 4,
        'axiom_messages_delivered_total{stream="news",class="log"}': 4,
        'axiom_messages_delivered_total{stream="market",class="state"}': 1,
        'axiom_messages_refused_total{reason="idempotency_conflict"}': 1,
        'axiom_recoveries_total{result="epoch_changed"}': 1,
        'axiom_recoveries_total{result="recovered"}': 0,
        axiom_publish_duration_seconds_count: 6,
        'axiom_errors_total{kind="unknown_stream"}': 1,
        'axiom_errors_total{kind="unknown_op"}': 1,
        axiom_delivery_latency_seconds_count: 5,
        'axiom_http_request_duration_seconds_count{method="POST",route="/api/topics/:topic/messages",status="201"}': 5,
        'axiom_http_request_duration_seconds_count{method="POST",route="/api/topics/:topic/messages",status="409"}': 1,
        'axiom_http_request_duration_seconds_count{method="GET",route="/api/streams/:stream",status="404"}': 1,
        axiom_draining: 0,
      };
      for (const [sample, value] of Object.entries(expected))
        expect(samples.get(sample), sample).to.equal(value);
      expect(samples.get('axiom_window_bytes{stream="news"}')).to.be.greaterThan(0);
      expect(samples.get(`axiom_build_info{version="${VERSION}",node="test-node"}`)).to.equal(1);
      client.close();
    });

    it('have no topic, key or path of a user in any label', async () => {
      await publish(app.url, 'news:secret-key', 1);
      await publish(app.url, 'elsewhere:secret-key', 1);
      await get(`${app.url}/secret-path?secret-query`);
      await call('PURGE', `${app.url}/secret-path`);
      const { body } = await call<string>('GET', `${app.url}/metrics`);
      expect(body).not.to.match(/secret|PURGE|elsewhere/);
    });

    it('say the same twice when nothing happens in between', async () => {
      await publish(app.url, 'news:a', 1);
      const counters = async () =>
        [...(await metrics())].filter(
          ([name]) => name.startsWith('axiom_messages') || name.startsWith('axiom_errors'),
        );
      expect(await counters()).to.deep.equal(await counters());
    });

    it('require the token, if one is set', async () => {
      const guarded = await startTestApp({ METRICS_TOKEN: 'the-token' });
      try {
        const ask = (headers: Record<string, string>) =>
          call<string & Problem>('GET', `${guarded.url}/metrics`, undefined, headers);
        for (const header of [
          '',
          'the-token',
          'Bearer other-tok',
          'Bearer the-token2',
          'Bearer ',
          'Basic the-token',
        ]) {
          const { status, body } = await ask({ Authorization: header });
          expect(status).to.equal(404);
          expect(body.code).to.equal('not_found');
          expect(JSON.stringify(body)).not.to.include('the-token');
        }
        const { status, body } = await ask({ Authorization: 'Bearer the-token' });
        expect(status).to.equal(200);
        expect(parseMetrics(body).size).to.be.greaterThan(10);
      } finally {
        await guarded.stop();
      }
    });
  });

  it('sends the headers that keep browsers out of trouble, and none that would break plain http', async () => {
    for (const path of ['/health', '/api/streams', '/metrics', '/nothing-here']) {
      const { headers } = await get(`${app.url}${path}`);
      expect(headers.get('x-content-type-options'), path).to.equal('nosniff');
      expect(headers.get('x-frame-options')).to.equal('SAMEORIGIN');
      expect(headers.get('referrer-policy')).to.equal('no-referrer');
      expect(headers.get('x-powered-by')).to.equal(null);
      expect(headers.get('strict-transport-security')).to.equal(null);
      const policy = headers.get('content-security-policy') ?? '';
      expect(policy)
        .to.include("default-src 'self'")
        .and.to.match(/connect-src 'self'(;|$)/);
      expect(policy, 'a source that is any host').not.to.match(/\s(https?|wss?):(\s|;|$)/);
      expect(policy).not.to.include('upgrade-insecure-requests').and.not.to.include('unsafe-eval');
    }
  });

  it('answers 404 with a problem document for unknown paths', async () => {
    for (const [method, path] of [
      ['GET', '/nothing'],
      ['GET', '/api/nothing'],
      ['GET', '/METRICS'],
      ['GET', '/metrics/'],
      ['GET', '/assets/../../package.json'],
      ['GET', '/%2e%2e/package.json'],
    ] as const) {
      const { status, body, headers } = await call<Problem>(method, `${app.url}${path}`);
      expect(status, `${method} ${path}`).to.equal(404);
      expect(headers.get('content-type')).to.match(/^application\/problem\+json/);
      expect(Object.keys(body)).to.deep.equal(['type', 'title', 'status', 'detail', 'code']);
      expect(body).to.include({ code: 'not_found', status: 404, type: 'urn:axiom-streaming:not_found' });
    }
  });

  it('answers 405 with the methods that there are', async () => {
    for (const [method, path, allowed] of [
      ['POST', '/api/streams', 'GET, HEAD, OPTIONS'],
      ['PUT', '/api/topics/news%3Aa', 'DELETE, GET, HEAD, OPTIONS'],
      ['PUT', '/api/topics/news%3Aa/messages', 'GET, HEAD, OPTIONS, POST'],
      ['GET', '/api/messages', 'OPTIONS, POST'],
      ['PUT', '/stream', 'GET, HEAD, OPTIONS, POST'],
    ] as const) {
      const { status, body, headers } = await call<Problem>(method, `${app.url}${path}`);
      expect({ status, code: body.code }, path).to.deep.equal({ status: 405, code: 'method_not_allowed' });
      expect(headers.get('allow')).to.equal(allowed);
    }
  });

  it('answers OPTIONS with the existing methods to anyone', async () => {
    for (const [path, allowed] of [
      ['/api/streams', 'GET, HEAD, OPTIONS'],
      ['/api/messages', 'OPTIONS, POST'],
      ['/health', 'GET, HEAD, OPTIONS'],
      ['/stream', 'GET, HEAD, OPTIONS, POST'],
    ] as const) {
      for (const header of [[], ['Authorization', 'Bearer wrong'], ['Origin', 'https://elsewhere.example']]) {
        const headers = header.length === 0 ? [] : [header as [string, string]];
        const response = await fetch(app.url + path, { method: 'OPTIONS', headers });
        expect([response.status, response.headers.get('allow')], path).to.deep.equal([204, allowed]);
      }
    }
    expect((await fetch(`${app.url}/nothing`, { method: 'OPTIONS' })).status).to.equal(404);
  });

  it('answers HEAD for an event stream as it would GET', async () => {
    for (const [query, status] of [
      ['topics=news:a', 200],
      ['topics=nothing:a', 404],
      ['topics=news', 400],
      ['', 400],
    ] as const) {
      expect((await fetch(`${app.url}/stream?${query}`, { method: 'HEAD' })).status, query).to.equal(status);
    }
    const headers = { Authorization: 'Bearer wrong' };
    const refused = await fetch(`${app.url}/stream?topics=news:a`, { method: 'HEAD', headers });
    expect(refused.status).to.equal(401);
  });

  it('answers HEAD for an event stream without opening one', async () => {
    const response = await fetch(`${app.url}/stream?topics=news:a`, { method: 'HEAD' });
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.match(/^text\/event-stream/);
    const health = await get<{ connections: number }>(`${app.url}/health`);
    expect(health.body.connections).to.equal(0);
  });

  it('does not repeat an endless path', async () => {
    const { body } = await get<Problem>(`${app.url}/${'x'.repeat(5_000)}`);
    expect(body.detail.length).to.be.lessThan(300);
  });
});
