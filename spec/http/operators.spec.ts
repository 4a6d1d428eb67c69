/** Who is told how the hub is operated. */
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { ANONYMOUS, bearer, startSecuredApp, token } from '../auth/support.js';
import { call, get } from '../support/http.js';
import { streamsFile } from '../support/streams-file.js';

const PUBLIC = { 'X-Forwarded-For': '203.0.113.7' };
const PRIVATE = { 'X-Forwarded-For': '10.1.2.3' };
const DETAILS = [
  'node',
  'version',
  'instances',
  'connections',
  'redis_connected',
  'load_balancer',
  'log',
  'uptime_seconds',
];

describe('How the hub is operated', () => {
  let app: RunningNode | undefined;
  afterEach(async () => {
    await app?.stop();
    app = undefined;
  });
  const start = async (environment: Readonly<Record<string, string>> = {}) => {
    app = await startSecuredApp(environment);
  };
  const ask = (path: string, headers: Readonly<Record<string, string>>) =>
    call('GET', app!.url + path, undefined, { ...ANONYMOUS, ...headers });
  const toldBy = async (headers: Readonly<Record<string, string>>) =>
    Object.keys((await ask('/health', headers)).body).sort();
  const ALL = ['status', ...DETAILS].sort();

  it('is told in /health to private networks and administrators; everybody is told whether it serves', async () => {
    await start();
    const admin = await token({ sub: 'root', admin: true });
    expect(await toldBy(PUBLIC)).to.deep.equal(['status']);
    expect(await toldBy({ ...PUBLIC, ...bearer(await token()) })).to.deep.equal(['status']);
    expect(await toldBy({ ...PUBLIC, ...bearer('guess') })).to.deep.equal(['status']);
    expect(await toldBy({ ...PUBLIC, ...bearer(admin) })).to.deep.equal(ALL);
    expect(await toldBy(PRIVATE)).to.deep.equal(ALL);
  });

  it('is told in /health to the bearer of METRICS_TOKEN, where that is set, and no longer to private networks', async () => {
    await start({ METRICS_TOKEN: 'the-token' });
    expect(await toldBy(PRIVATE)).to.deep.equal(['status']);
    expect(await toldBy({ ...PUBLIC, ...bearer('the-token') })).to.deep.equal(ALL);
  });

  it('is not told in /health with a status of 503 either, but the kind of cause', async () => {
    await start();
    app!.hub.interrupted();
    const { status, body } = await ask('/health', PUBLIC);
    expect(status).to.equal(503);
    expect(body).to.deep.equal({ status: 'degraded', cause: 'log_not_live' });
    app!.hub.resumed();
  });

  it('is told in /api/nodes to private networks and administrators', async () => {
    await start();
    const nodes = async (headers: Readonly<Record<string, string>>) => {
      const { status, body } = await ask('/api/nodes', headers);
      return status === 200 ? '200' : `${status} ${body.code}`;
    };
    expect(await nodes(PUBLIC)).to.equal('401 token_missing');
    expect(await nodes({ ...PUBLIC, ...bearer(await token()) })).to.equal('403 denied');
    expect(await nodes({ ...PUBLIC, ...bearer(await token({ admin: true })) })).to.equal('200');
    expect(await nodes(PRIVATE)).to.equal('200');
  });

  it('is told in /api/nodes to whom the reports are granted, where they are not public', async () => {
    await start({ STREAMS_FILE: streamsFile({ news: { read: 'public' }, system: { read: 'granted' } }) });
    const status = async (text: string) => (await ask('/api/nodes', { ...PUBLIC, ...bearer(text) })).status;
    expect(await status(await token({ subscribe: ['system:*'] }))).to.equal(200);
    expect(await status(await token({ subscribe: ['news:*'] }))).to.equal(403);
  });

  it('is none of the business of those who balance the load: they are told whether a node is ready', async () => {
    await start({ METRICS_TOKEN: 'the-token' });
    for (const path of ['/health/live', '/health/ready']) {
      expect((await get(`${app!.url}${path}`)).body).to.have.property('status', 'ok');
    }
  });
});
