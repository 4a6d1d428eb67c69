/** How an event stream is refused, to an EventSource and to everybody else. */
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import { ERRORS, HubError } from '../../server/errors.js';
import { OVERLOADED } from '../../server/transports/admission.js';
import { refuseStream } from '../../server/transports/sse/stream-refusal.js';
import { startSecuredApp } from '../auth/support.js';

const EVENTS = { Accept: 'text/event-stream' };
const REFUSED = /^retry: (\d+)\nevent: refused\ndata: (\{[^\n]+\})\n\n$/;

describe('A refused event stream', () => {
  let server: Server;
  let url: string;

  beforeEach(async () => {
    server = createServer((request, response) => {
      const code = (request.url ?? '').slice(1) as ErrorCode;
      const error =
        code === 'overloaded' ? OVERLOADED : new HubError(code, 'it does not go', { retryAfterMs: 2_100 });
      refuseStream(request, response, error);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => server.close());

  it('ends an EventSource permanently only if retrying cannot help', async () => {
    for (const [code, { status, retry }] of Object.entries(ERRORS)) {
      const response = await fetch(`${url}/${code}`, { headers: EVENTS });
      const type = retry ? 'text/event-stream; charset=utf-8' : 'application/problem+json';
      expect([response.status, response.headers.get('content-type')], code).to.deep.equal([
        retry ? 200 : status,
        type,
      ]);
      const text = await response.text();
      if (!retry) continue;
      const [, retryMs, data] = REFUSED.exec(text) ?? [];
      expect(JSON.parse(data ?? ''), text).to.include({ code, retryAfterMs: Number(retryMs) });
    }
  });

  it('has its real status for a client that does not ask for event streams', async () => {
    for (const [code, { status }] of Object.entries(ERRORS)) {
      for (const accept of ['*/*', 'application/json, text/*;q=0.1']) {
        const response = await fetch(`${url}/${code}`, { headers: { Accept: accept } });
        expect(response.status, code).to.equal(status);
        expect(await response.json(), code).to.include({ code, status });
      }
    }
  });

  it('sends those who are refused together back at different times, none before it helps', async () => {
    const times = new Set<number>();
    for (let i = 0; i < 200; i++) {
      const text = await (await fetch(`${url}/rate_limited`, { headers: EVENTS })).text();
      times.add(Number(REFUSED.exec(text)?.[1]));
    }
    expect(Math.min(...times)).to.be.within(2_100, 3_100);
    expect(Math.max(...times)).to.be.within(6_100, 7_100);
    expect(times.size).to.be.above(100);
  });

  it('goes to the next node where a proxy has one', async () => {
    const headers = { ...EVENTS, 'X-Next-Upstream': '503' };
    expect((await fetch(`${url}/overloaded`, { headers })).status).to.equal(503);
    expect((await fetch(`${url}/rate_limited`, { headers })).status).to.equal(200);
  });

  it('is counted by its reason whatever its status, and a page of an allowed origin may read it', async () => {
    const origin = 'https://app.example.com';
    const app = await startSecuredApp({ MAX_CONNECTIONS_PER_ADDRESS: '1', ALLOWED_ORIGINS: origin });
    const abort = new AbortController();
    try {
      const ask = () =>
        fetch(`${app.url}/stream?topics=news:a`, {
          headers: { ...EVENTS, Origin: origin, 'X-Forwarded-For': '203.0.113.1' },
          signal: abort.signal,
        });
      await ask();
      const refused = await ask();
      expect(refused.status).to.equal(200);
      expect(refused.headers.get('access-control-allow-origin')).to.equal(origin);
      expect(await refused.text())
        .to.match(REFUSED)
        .and.to.contain('"too_many_connections"');
      const metrics = await (await fetch(`${app.url}/metrics`)).text();
      expect(metrics).to.match(/^axiom_errors_total\{kind="too_many_connections"\} 1$/m);
    } finally {
      abort.abort();
      await app.stop();
    }
  });
});
