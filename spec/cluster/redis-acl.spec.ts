/** The Redis user that SECURITY.md gives to the hub is enough for everything that it does. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@redis/client';
import { expect } from 'chai';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { redisServer } from '../../server/local-cluster/redis-server.js';
import { silentLogger } from '../../server/logger.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { bearer, SECRET, token } from '../auth/support.js';
import { startTestApp } from '../http/test-app.js';
import { call } from '../support/http.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { until } from '../support/wait.js';

const SECURITY = readFileSync(new URL('../../../SECURITY.md', import.meta.url), 'utf8');

describe('A Redis user with the rights in SECURITY.md', () => {
  const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-acl-'));
  let redis: ManagedProcess | undefined;
  const apps: RunningNode[] = [];
  const lines: string[] = [];
  const keep = (fields: object | string, message = '') => lines.push(`${message} ${JSON.stringify(fields)}`);
  const logger = { ...silentLogger, info: keep, warn: keep, error: keep };

  before(async () => {
    const port = await freePorts(1);
    redis = redisServer({ port, dir });
    await redis.start();
    const admin = createClient({ url: `redis://127.0.0.1:${port}` });
    await admin.connect();
    const [, rule = ''] = /^ACL SETUSER (.+)$/m.exec(SECURITY) ?? [];
    await admin.sendCommand(['ACL', 'SETUSER', ...rule.replace('PASSWORD', 'password').split(' ')]);
    await admin.sendCommand(['ACL', 'SETUSER', 'default', 'off']);
    await admin.close();
    for (const NODE_ID of ['one', 'two']) {
      const environment = { NODE_ID, REDIS_URL: `redis://axiom:password@127.0.0.1:${port}` };
      apps.push(await startTestApp({ JWT_SECRET: SECRET, PUBLISH_KEY: '', ...environment }, logger));
    }
  });

  after(async () => {
    for (const app of apps) await app.stop();
    await redis?.stop('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  it('lets two nodes publish, deliver, remember sessions, revoke, and ask one another', async () => {
    const [one, two] = apps;
    const text = await token({ sub: 'root', admin: true, publish: ['news:*'], subscribe: ['signals:*'] });
    const client = await connectSocketIo({ url: two!.url, token: text });
    try {
      expect((await client.request('subscribe', { topics: ['news:*', 'signals:*'] })).ok).to.equal(true);
      const published = await call('POST', `${one!.url}/api/topics/news:a/messages`, '1', {
        ...bearer(text),
        'Idempotency-Key': 'once',
      });
      expect(published.status).to.equal(201);
      await until('it has arrived', () => client.seen.messages.length === 1);
      const ticket = await call('POST', `${one!.url}/api/tickets`, undefined, bearer(text));
      expect(ticket.status).to.equal(201);
      await until('they know one another', async () => {
        const { body } = await call<{ connections: object[] }>(
          'GET',
          `${one!.url}/api/connections`,
          undefined,
          bearer(text),
        );
        return body.connections.length === 1;
      });
      const revoked = await call('POST', `${one!.url}/api/revocations`, '{"sub":"root"}', bearer(text));
      expect(revoked.status).to.equal(201);
      await until('the connection on the other node is gone', () => client.seen.losses > 0);
    } finally {
      client.close();
    }
  });

  it('lets them judge the set-up of Redis', () => {
    expect(lines.join('\n'))
      .to.match(/maxmemory is not set/)
      .and.not.match(/cannot be checked|NOPERM/);
  });
});
