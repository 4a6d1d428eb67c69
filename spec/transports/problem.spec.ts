import { once } from 'node:events';
import { createServer, request as httpRequest, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { promisify } from 'node:util';
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import { ERRORS, HubError } from '../../server/errors.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { refuseUpgrade, sendProblem } from '../../server/transports/problem.js';
import { startSecuredApp, token } from '../auth/support.js';
import { until } from '../support/wait.js';

const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** What of a refusal does not depend on the door: CORS, security headers and the connection's end do. */
interface Refused {
  readonly status: number | undefined;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly body: string;
}

/** A bare request, also for an upgrade. */
function ask(url: string, headers: Record<string, string>): Promise<Refused> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { headers, agent: false }, async (response) => {
      if (response.statusCode === 200) {
        response.destroy();
        reject(new Error(`${url} was served`));
        return;
      }
      const chunks = await response.setEncoding('utf8').toArray();
      const { headers: all, statusCode: status } = response;
      const kept = ['content-type', 'content-length', 'cache-control', 'retry-after', 'www-authenticate'];
      resolve({
        status,
        headers: Object.fromEntries(kept.map((name) => [name, all[name]?.toString()])),
        body: chunks.join(''),
      });
    });
    request.on('upgrade', (_response, socket) => {
      socket.destroy();
      reject(new Error(`${url} was upgraded`));
    });
    request.on('error', reject).end();
  });
}

describe('A refusal', () => {
  describe('for whatever reason', () => {
    let server: Server;
    let url: string;

    beforeEach(async () => {
      const errorOf = (path = '') => {
        const code = path.slice(1) as ErrorCode;
        return new HubError(code, 'it does not go, señor', { field: 'token', retryAfterMs: 2_100 });
      };
      server = createServer((request, response) => sendProblem(response, errorOf(request.url)));
      server.on('upgrade', (request, socket) => refuseUpgrade(socket, errorOf(request.url)));
      server.listen(0, '127.0.0.1');
      await once(server, 'listening');
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    });

    afterEach(() => server.close());

    it('has the same status, headers and body for a request and for an upgrade', async () => {
      for (const [code, { status, retry }] of Object.entries(ERRORS)) {
        const requested = await ask(`${url}/${code}`, {});
        expect(await ask(`${url}/${code}`, UPGRADE)).to.deep.equal(requested);
        expect(requested.status).to.equal(status);
        expect(JSON.parse(requested.body)).to.include({ code, status, detail: 'it does not go, señor' });
        // A ban is final, and ends: the client is told when.
        const comesBack = (retry && status !== 500) || code === 'banned';
        expect(requested.headers['retry-after'], code).to.equal(comesBack ? '3' : undefined);
        const challenge = code === 'token_missing' ? 'Bearer' : 'Bearer error="invalid_token"';
        expect(requested.headers['www-authenticate'], code).to.equal(status === 401 ? challenge : undefined);
      }
    });
  });

  describe('by a node', () => {
    const doors: readonly [name: string, path: string, headers: Record<string, string>][] = [
      ['an event stream', '/stream?topics=news:*', {}],
      ['a WebSocket', '/ws', UPGRADE],
    ];
    const socketIo: typeof doors = [
      ['Socket.IO over polling', '/socket.io/?EIO=4&transport=polling', {}],
      ['Socket.IO over WebSocket', '/socket.io/?EIO=4&transport=websocket', UPGRADE],
    ];
    let app: RunningNode;

    before(async () => {
      app = await startSecuredApp();
    });

    after(() => app.stop());

    /** Every door refuses, and all with the answer of the first. */
    async function expectOneAnswer(
      paths: typeof doors,
      headers: Record<string, string>,
      like: { status: number; code: string },
    ): Promise<void> {
      const [first, ...others] = await Promise.all(
        paths.map(async ([, path, own]) => ask(app.url + path, { ...own, ...headers })),
      );
      expect(first?.status).to.equal(like.status);
      expect(JSON.parse(first?.body ?? '')).to.include(like);
      for (const [i, other] of others.entries()) expect(other, paths[i + 1]?.[0]).to.deep.equal(first);
    }

    const api: (typeof doors)[number] = ['a request', '/api/streams', {}];

    it('says the same of a token that is not accepted, at every door that reads it', async () => {
      const wrong = await token({ secret: 'another secret, which is 32 bytes and more' });
      const refused = { status: 401, code: 'token_invalid' };
      await expectOneAnswer([api, ...doors], { Authorization: `Bearer ${wrong}` }, refused);
      await expectOneAnswer([api, ...doors], { Authorization: 'Basic YTpi' }, refused);
      const over = await token({ lastsS: -60 });
      await expectOneAnswer(
        [api, ...doors],
        { Authorization: `Bearer ${over}` },
        { status: 401, code: 'token_expired' },
      );
    });

    it('says the same to a page of an origin that is not served, at every door', async () => {
      await expectOneAnswer(
        [...doors, ...socketIo],
        { Origin: 'https://elsewhere.example' },
        { status: 403, code: 'origin_denied' },
      );
    });

    it('says the same at every door when it takes no more connections', async () => {
      const busy = await startSecuredApp({ MAX_HANDSHAKES_PER_SECOND: '1' });
      try {
        const throughProxy = { 'X-Next-Upstream': '503' };
        const paths = [...doors, ...socketIo].map(([name, path, headers]): (typeof doors)[number] => [
          name,
          new URL(path, busy.url).href,
          { ...headers, ...throughProxy },
        ]);
        const answers: Refused[] = [];
        for (const [, url, headers] of paths) {
          await until(`${url} is refused`, async () => {
            const answer = await ask(url, headers).catch(() => undefined);
            if (answer?.status === 503) answers.push(answer);
            return answer?.status === 503;
          });
        }
        expect(JSON.parse(answers[0]?.body ?? '')).to.include({ status: 503, code: 'overloaded' });
        expect(answers[0]?.headers).to.include({ 'retry-after': '1', 'cache-control': 'no-store' });
        for (const [i, answer] of answers.entries()) expect(answer, paths[i]?.[0]).to.deep.equal(answers[0]);
      } finally {
        await busy.stop();
      }
    });
  });

  it('of an upgrade leaves no connection behind, though its client keeps its half open', async () => {
    const server = createServer();
    server.on('upgrade', (_request, socket) => {
      refuseUpgrade(socket, new HubError('not_found', 'there is no such upgrade'));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    try {
      client.write('GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      const chunks: Buffer[] = [];
      client.on('data', (chunk) => chunks.push(chunk));
      await once(client, 'end');
      expect(Buffer.concat(chunks).toString()).to.match(/^HTTP\/1.1 404 .*"code":"not_found"/s);
      const connections = promisify(server.getConnections.bind(server));
      await until('the connection is gone', async () => (await connections()) === 0);
    } finally {
      client.destroy();
      server.close();
    }
  });
});
