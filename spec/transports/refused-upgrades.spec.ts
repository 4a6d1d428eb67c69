import { request as httpRequest } from 'node:http';
import type { Problem } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import { type Logger, silentLogger } from '../../server/logger.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { get } from '../support/http.js';

const UPGRADE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Version': '13',
  'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
};

describe('A refused upgrade', () => {
  let app: RunningNode;
  let logged: { readonly error?: string }[];

  beforeEach(async () => {
    logged = [];
    const logger: Logger = { ...silentLogger, error: (fields) => logged.push(fields as object) };
    app = await startTestApp({}, logger);
  });

  afterEach(() => app?.stop());

  /** Asks for an upgrade that is not granted. */
  function upgrade(path: string): Promise<Problem> {
    return new Promise((resolve, reject) => {
      const request = httpRequest(app.url + path, { headers: UPGRADE, agent: false }, (response) => {
        let body = '';
        response.setEncoding('utf8').on('data', (chunk: string) => {
          body += chunk;
        });
        response.on('end', () => resolve(JSON.parse(body) as Problem));
      });
      request.on('error', reject);
      request.end();
    });
  }

  async function counted(kind: string): Promise<string | undefined> {
    const { body } = await get<string>(`${app.url}/metrics`);
    return new RegExp(`^axiom_errors_total\\{kind="${kind}"\\} (\\d+)$`, 'm').exec(body)?.[1];
  }

  it('is counted by the code of its answer', async () => {
    expect(await upgrade('/nowhere')).to.include({ status: 404, code: 'not_found' });
    expect(await counted('not_found')).to.equal('1');
    expect(logged).to.deep.equal([]);
  });

  for (const path of [
    '/ws',
    '/socket.io/?EIO=4&transport=websocket',
    '/msgpack/?EIO=4&transport=websocket',
  ]) {
    it(`is logged with its cause, which the client is not told, where a fault of the hub refused it: ${path}`, async () => {
      Object.defineProperty(app.hub, 'draining', {
        configurable: true,
        get: () => {
          throw new TypeError('the hub is broken');
        },
      });
      const problem = await upgrade(path);
      Reflect.deleteProperty(app.hub, 'draining');
      expect(problem).to.include({ status: 500, code: 'internal' });
      expect(JSON.stringify(problem)).not.to.include('broken');
      expect(logged.map(({ error }) => error?.split('\n', 1)[0])).to.deep.equal([
        'TypeError: the hub is broken',
      ]);
      expect(await counted('internal')).to.equal('1');
    });
  }
});
