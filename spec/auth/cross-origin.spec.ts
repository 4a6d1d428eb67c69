/** What a page of another origin may send along: headers and cookies. */
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { startSecuredApp } from './support.js';

const FRIEND = 'https://app.example.com';
const STRANGER = 'https://evil.example.com';

describe('A page of another origin', () => {
  let app: RunningNode;

  before(async () => {
    app = await startSecuredApp({ ALLOWED_ORIGINS: FRIEND });
  });

  after(() => app?.stop());

  it('sends cookies with event streams and Socket.IO, where it is named on the list, and never with a publication', async () => {
    const all = await startSecuredApp({ ALLOWED_ORIGINS: '*' });
    try {
      const credentials = async (url: string, path: string, origin: string) => {
        const response = await fetch(url + path, { method: 'OPTIONS', headers: { Origin: origin } });
        return response.headers.get('access-control-allow-credentials');
      };
      for (const path of [
        '/stream',
        '/socket.io/?EIO=4&transport=polling',
        '/msgpack/?EIO=4&transport=polling',
      ]) {
        expect(await credentials(app.url, path, FRIEND), path).to.equal('true');
        expect(await credentials(app.url, path, STRANGER), path).to.equal(null);
        expect(await credentials(all.url, path, FRIEND), `${path} where all may`).to.equal(null);
      }
      for (const path of ['/api/topics/news:a/messages', '/api/messages', '/api/tickets'])
        expect(await credentials(app.url, path, FRIEND), path).to.equal(null);
    } finally {
      await all.stop();
    }
  });

  it('may send what clients of event streams send unasked', async () => {
    const asked = ['accept', 'cache-control', 'last-event-id', 'pragma', 'x-requested-with', 'authorization'];
    const response = await fetch(`${app.url}/stream?topics=news:a`, {
      method: 'OPTIONS',
      headers: {
        Origin: FRIEND,
        'Access-Control-Request-Method': 'GET',
        'Access-Control-Request-Headers': asked.join(','),
      },
    });
    expect(response.status).to.equal(204);
    const allowed = response.headers.get('access-control-allow-headers')?.toLowerCase().split(',') ?? [];
    expect(allowed).to.include.members(asked);
  });
});
