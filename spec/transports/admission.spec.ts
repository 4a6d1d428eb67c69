import { request as httpRequest } from 'node:http';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { HandshakeLimiter } from '../../server/transports/handshake-limiter.js';
import { startTestApp } from '../http/test-app.js';
import { RecordingSink } from '../hub/support.js';
import { get } from '../support/http.js';
import { until } from '../support/wait.js';

interface Answer {
  readonly status: number | undefined;
  readonly retryAfter: string | undefined;
  readonly body: string;
}

const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

/** A bare request, also for an upgrade. The connection is closed when it has been answered. */
function ask(url: string, headers: Record<string, string> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { headers, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        body += chunk;
      });
      response.on('end', () =>
        resolve({ status: response.statusCode, retryAfter: response.headers['retry-after'], body }),
      );
    });
    request.on('upgrade', (response, socket) => {
      socket.destroy();
      resolve({ status: response.statusCode, retryAfter: undefined, body: '' });
    });
    request.on('error', reject);
    request.end();
  });
}

/** A handshake of each kind that can be answered with a status. */
const HANDSHAKES: readonly [name: string, path: string, headers: Record<string, string>][] = [
  ['Socket.IO over polling', '/socket.io/?EIO=4&transport=polling', {}],
  ['Socket.IO over WebSocket', '/socket.io/?EIO=4&transport=websocket', UPGRADE],
  ['Socket.IO with MessagePack', '/msgpack/?EIO=4&transport=websocket', UPGRADE],
  ['a WebSocket', '/ws', UPGRADE],
  ['an event stream', '/stream?topics=news:*', {}],
  [
    'an EventSource through a proxy with other nodes',
    '/stream?topics=news:*',
    { Accept: 'text/event-stream', 'X-Next-Upstream': '503' },
  ],
];

describe('A new connection', () => {
  let app: RunningNode;

  afterEach(() => app?.stop());

  describe('to a node that drains', () => {
    let stopping: Promise<void>;

    beforeEach(async () => {
      app = await startTestApp({ DRAIN_MS: '1000' });
      // So many that the drain takes its whole time.
      for (let i = 0; i < 200; i++) {
        const sink = new RecordingSink();
        const subscriber = app.hub.attach(`c${i}`, sink);
        sink.onClose = () => app.hub.detach(subscriber);
      }
      stopping = app.stop();
    });

    afterEach(() => stopping);

    for (const [name, path, headers] of HANDSHAKES) {
      it(`is refused with 503 and Retry-After: ${name}`, async () => {
        expect(await ask(app.url + path, headers)).to.include({ status: 503, retryAfter: '1' });
      });
    }

    it('gets an event stream that sends it away, where an EventSource would give up at any other answer', async () => {
      const { status, body } = await ask(`${app.url}/stream?topics=news:*`, { Accept: 'text/event-stream' });
      expect(status).to.equal(200);
      expect(body).to.match(/^retry: \d{4}\nevent: refused\ndata: \{"code":"overloaded",[^\n]+\}\n\n$/);
    });

    it('can ask whether the node is ready, and hears that it is not', async () => {
      const { status, headers, body } = await get(`${app.url}/health/ready`);
      expect({ status, state: body.status, retryAfter: headers.get('retry-after') }).to.deep.equal({
        status: 503,
        state: 'draining',
        retryAfter: '1',
      });
      expect(headers.get('connection')).to.equal('close');
      expect((await get(`${app.url}/health/live`)).status).to.equal(200);
    });

    it('is counted, by the reason of its refusal', async () => {
      await ask(`${app.url}/ws`, UPGRADE);
      const { body } = await get<string>(`${app.url}/metrics`);
      expect(body).to.include('axiom_handshakes_refused_total{reason="draining"} 1');
    });
  });

  describe('beyond what a node takes in a second', () => {
    beforeEach(async () => {
      app = await startTestApp({ MAX_HANDSHAKES_PER_SECOND: '1' });
    });

    for (const [name, path, headers] of HANDSHAKES) {
      it(`is refused with 503 and Retry-After, and taken a second later: ${name}`, async () => {
        const taken = await ask(`${app.url}/ws`, UPGRADE);
        expect(taken.status).to.equal(101);
        expect(await ask(app.url + path, headers)).to.include({ status: 503, retryAfter: '1' });
        const { body } = await get<string>(`${app.url}/metrics`);
        expect(body).to.include('axiom_handshakes_refused_total{reason="rate"} 1');
        if (path.startsWith('/stream')) return;
        await until(
          'it is taken',
          async () => [101, 200].includes((await ask(app.url + path, headers)).status ?? 0),
          { withinMs: 3_000 },
        );
      });
    }
  });
});

describe('HandshakeLimiter', () => {
  it('takes as many at once as in a second, then as many as the time has earned', () => {
    let now = 0;
    const hub = { draining: false };
    const limiter = new HandshakeLimiter({ hub, perSecond: 10, now: () => now });
    const take = () => Array.from({ length: 20 }, () => limiter.take());
    const taken = () => take().filter((reason) => reason === undefined).length;
    expect(taken()).to.equal(10);
    expect(taken()).to.equal(0);
    now += 300;
    expect(taken()).to.equal(3);
    now += 60_000;
    expect(taken()).to.equal(10);
    expect(new Set(take())).to.deep.equal(new Set(['rate']));
    hub.draining = true;
    now += 60_000;
    expect(new Set(take())).to.deep.equal(new Set(['draining']));
  });
});
