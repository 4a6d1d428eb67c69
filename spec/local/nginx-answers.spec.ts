/** What NGINX with its template answers by itself: no node, a limit, or a request that no node gets to see. */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import { ERRORS } from '../../server/errors.js';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { nginx } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { until } from '../support/wait.js';

const FRIEND = 'https://app.example.com';
const EVENTS = { Accept: 'text/event-stream' };
/** As NGINX is told to let from one address, below. */
const CONNECTIONS = 3;

describe('NGINX before the nodes', () => {
  let node: Server;
  let proxy: ManagedProcess;
  let url: string;
  let port: number;
  const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-nginx-'));
  /** What the one node does with a request. */
  let status: number | 'cut' | 'hold' = 200;

  before(async () => {
    node = createServer((request, response) => {
      if (request.url === '/health/live' || status === 200) response.end('{}');
      else if (status === 'cut') response.destroy();
      else if (status !== 'hold') response.writeHead(status).end('{"code":"of the node"}');
    });
    await new Promise<void>((resolve) => node.listen(0, '127.0.0.1', resolve));
    port = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    proxy = nginx({
      dir,
      host: '127.0.0.1',
      port,
      nodePorts: [(node.address() as AddressInfo).port],
      connectionsPerAddress: CONNECTIONS,
      allowedOrigins: [FRIEND],
    });
    await proxy.start();
  });

  after(async () => {
    await proxy?.stop('SIGQUIT', 5_000);
    node?.closeAllConnections();
    node?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const ask = (path: string, init: RequestInit = {}) =>
    fetch(url + path, { ...init, headers: { Origin: FRIEND, Connection: 'close', ...init.headers } });

  async function expectProblem(response: Response, code: ErrorCode, expected: number = ERRORS[code].status) {
    expect(response.status).to.equal(expected);
    expect(response.headers.get('content-type')).to.equal('application/problem+json');
    expect(response.headers.get('retry-after'), code).to.equal(
      ERRORS[code].retry && expected !== 500 ? '1' : null,
    );
    expect(response.headers.get('access-control-allow-origin')).to.equal(FRIEND);
    expect(await response.json()).to.include({
      type: `urn:axiom-streaming:${code}`,
      title: ERRORS[code].title,
      status: expected,
      code,
    });
  }

  async function expectRefusedStream(response: Response, code: ErrorCode) {
    expect(response.status).to.equal(200);
    expect(response.headers.get('content-type')).to.match(/^text\/event-stream/);
    expect(response.headers.get('access-control-allow-origin')).to.equal(FRIEND);
    const text = await response.text();
    const [, retryMs, data] = /^retry: (\d+)\nevent: refused\ndata: (\{.+\})\n\n$/.exec(text) ?? [];
    expect(JSON.parse(data ?? ''), text).to.include({ code, retryAfterMs: Number(retryMs) });
  }

  /** The head and body of an answer to bytes that no HTTP library would send. */
  function raw(text: string): Promise<Response> {
    return new Promise((resolve, reject) => {
      let answer = '';
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      socket.on('data', (data) => {
        answer += String(data);
      });
      socket.on('error', reject);
      socket.on('close', () => {
        const [head = '', body = ''] = answer.split('\r\n\r\n');
        const [first = '', ...lines] = head.split('\r\n');
        const headers = lines.map((line): [string, string] => line.split(/: (.*)/, 2) as [string, string]);
        headers.push(['access-control-allow-origin', FRIEND]);
        resolve(new Response(body, { status: Number(first.split(' ')[1]), headers }));
      });
    });
  }

  it('sends EventSources back while no node answers, and tells everybody else', async () => {
    status = 'cut';
    await expectRefusedStream(await ask('/stream?topics=news:a', { headers: EVENTS }), 'node_unavailable');
    await expectProblem(await ask('/stream?topics=news:a'), 'node_unavailable');
    await expectProblem(await ask('/api/streams'), 'node_unavailable');
  });

  it('sends EventSources back where every node asks for the next one, and hands everybody else what the node says', async () => {
    status = 503;
    await expectRefusedStream(await ask('/stream?topics=news:a', { headers: EVENTS }), 'overloaded');
    const told = await ask('/stream?topics=news:a');
    expect([told.status, await told.json()]).to.deep.equal([503, { code: 'of the node' }]);
  });

  it('hands on a health check in HTTP/1.0 that has no Host', async () => {
    status = 200;
    const told = await raw('GET /health/ready HTTP/1.0\r\n\r\n');
    expect([told.status, await told.text()]).to.deep.equal([200, '{}']);
  });

  it('leaves the final refusals of a node as they are', async () => {
    for (const final of [400, 401, 403, 404, 422]) {
      status = final;
      const told = await ask('/stream?topics=news:a', { headers: EVENTS });
      expect([told.status, await told.json()]).to.deep.equal([final, { code: 'of the node' }]);
    }
  });

  it('sends EventSources back at the limit of an address, and tells everybody else', async () => {
    status = 'hold';
    const abort = new AbortController();
    try {
      for (let i = 0; i < CONNECTIONS; i++)
        ask('/stream?topics=news:a', { signal: abort.signal }).catch(() => undefined);
      await until('the address has as many as it may', async () => {
        const signal = AbortSignal.timeout(500);
        return (await ask('/api/streams', { signal }).catch(() => undefined))?.status === 429;
      });
      await expectRefusedStream(
        await ask('/stream?topics=news:a', { headers: EVENTS }),
        'too_many_connections',
      );
      await expectProblem(await ask('/stream?topics=news:a'), 'too_many_connections');
      await expectProblem(await ask('/api/streams'), 'too_many_connections');
    } finally {
      abort.abort();
    }
    status = 200;
    await until('they are gone', async () => (await ask('/api/streams')).status === 200);
  });

  it('spreads returning clients', async () => {
    status = 'cut';
    const times = new Set<string>();
    await until('there are times enough', async () => {
      times.add((await (await ask('/stream', { headers: EVENTS })).text()).split('\n', 1)[0]!);
      return times.size >= 8;
    });
  });

  it('lets pages of no other origin read its answers', async () => {
    status = 'cut';
    for (const headers of [EVENTS, { Accept: '*/*' }]) {
      const response = await ask('/stream', { headers: { ...headers, Origin: 'https://evil.example.com' } });
      expect(response.headers.get('access-control-allow-origin')).to.equal(null);
      expect(response.headers.get('vary')).to.match(/Origin/);
    }
  });

  it('answers with problem details what it does not pass to a node', async () => {
    status = 200;
    await expectProblem(await ask('/api/messages', { method: 'POST', body: 'x'.repeat(18e6) }), 'too_large');
    const get = (path: string, more: string) =>
      raw(`GET ${path} HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n${more}\r\n`);
    await expectProblem(await get(`/stream?topics=${'x'.repeat(40_000)}`, ''), 'address_too_long');
    await expectProblem(await get('/stream', `X-Long: ${'x'.repeat(40_000)}\r\n`), 'headers_too_large');
    await expectProblem(await get('/stream', 'Host: another\r\n'), 'bad_request');
    await expectProblem(await raw('TRACE / HTTP/1.1\r\nHost: hub\r\n\r\n'), 'method_not_allowed');
  });
});
