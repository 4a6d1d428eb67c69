/** What docs/OPERATIONS.md tells to do works: its NGINX lines, its shell, its links and commands. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { nginx } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { startSecuredApp } from '../auth/support.js';
import { startTestApp } from '../http/test-app.js';
import { OwnRedis } from '../log/own-redis.js';
import { get, publish } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const GUIDE = readFileSync(join(ROOT, 'docs/OPERATIONS.md'), 'utf8');

function blocks(language: string): string[] {
  return [...GUIDE.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\``, 'gms'))].map(([, text]) => text!);
}

describe('docs/OPERATIONS.md', () => {
  it('names files and commands that exist', () => {
    const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
      scripts: Record<string, string>;
    };
    for (const [, name] of GUIDE.matchAll(/npm run ([a-z:]+)/g))
      expect(scripts, name).to.have.property(name!);
    for (const [, path] of GUIDE.matchAll(/\]\(([^)#]+)[^)]*\)/g))
      expect(existsSync(join(ROOT, 'docs', path!)), path).to.equal(true);
    for (const [, spec] of GUIDE.matchAll(/npx mocha dist\/(spec\/\S+)\.js/g))
      expect(existsSync(join(ROOT, `${spec}.ts`)), spec).to.equal(true);
  });

  it('is linked from the README', () => {
    expect(readFileSync(join(ROOT, 'README.md'), 'utf8')).to.include('](docs/OPERATIONS.md)');
  });

  describe('on sticky sessions', () => {
    const [byAddress = '', byCookie = '', maps = '', header = ''] = blocks('nginx');
    const apps: RunningNode[] = [];
    let ends: (() => Promise<unknown>)[] = [];

    before(async () => {
      for (const NODE_ID of ['one', 'two', 'three']) apps.push(await startSecuredApp({ NODE_ID }));
    });

    after(async () => {
      for (const app of apps) await app.stop();
    });

    afterEach(async () => {
      for (const end of ends) await end();
      ends = [];
    });

    /** NGINX before three nodes, with other lines than its templates have. @returns its address */
    async function proxied(change: (config: string) => string): Promise<string> {
      const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-sticky-'));
      const port = await freePorts(1);
      const process = nginx({
        dir,
        host: '127.0.0.1',
        port,
        nodePorts: apps.map((app) => app.port),
        realIpFrom: ['127.0.0.1'],
      });
      const file = join(dir, 'http/hub.conf');
      writeFileSync(file, change(readFileSync(file, 'utf8')));
      await process.start();
      ends.push(async () => {
        await process.stop('SIGQUIT', 5_000);
        rmSync(dir, { recursive: true, force: true });
      });
      return `http://127.0.0.1:${port}`;
    }

    const instead = (lines: string) => (config: string) => config.replaceAll('ip_hash;', lines);

    async function nodeOf(
      url: string,
      address: string,
      cookie = '',
    ): Promise<{ node: string; cookie: string }> {
      const response = await fetch(`${url}/health/ready`, {
        headers: { 'X-Forwarded-For': address, Cookie: cookie },
      });
      expect(response.status).to.equal(200);
      const { node } = (await response.json()) as { node: string };
      return { node, cookie: response.headers.get('set-cookie')?.split(';', 1)[0] ?? '' };
    }

    /** Nodes of forty addresses in one /24, each asked twice. */
    async function nodesOfOneNetwork(url: string): Promise<Set<string>> {
      const nodes = new Set<string>();
      for (let i = 1; i <= 40; i++) {
        const { node } = await nodeOf(url, `203.0.113.${i}`);
        expect((await nodeOf(url, `203.0.113.${i}`)).node).to.equal(node);
        nodes.add(node);
      }
      return nodes;
    }

    it('is right that ip_hash sends one /24 to one node', async () => {
      expect(await nodesOfOneNetwork(await proxied((config) => config))).to.have.property('size', 1);
    });

    it('spreads a /24 by the whole address', async () => {
      expect(await nodesOfOneNetwork(await proxied(instead(byAddress)))).to.have.property('size', 3);
    });

    it('spreads clients of one address by a cookie, and keeps each where it was', async () => {
      const url = await proxied((config) =>
        `${maps}\n${instead(byCookie)(config)}`.replace(
          'server_tokens off;',
          `server_tokens off;\n${header}`,
        ),
      );
      const nodes = new Set<string>();
      for (let i = 0; i < 40; i++) {
        const { node, cookie } = await nodeOf(url, '203.0.113.1');
        expect(cookie).to.match(/^hub_route=[0-9a-f]{32}$/);
        nodes.add(node);
        for (let again = 0; again < 3; again++)
          expect(await nodeOf(url, '203.0.113.1', cookie)).to.deep.equal({ node, cookie: '' });
      }
      expect(nodes).to.have.property('size', 3);
    });

    it('lets Socket.IO poll with the cookie', async () => {
      const url = await proxied((config) =>
        `${maps}\n${instead(byCookie)(config)}`.replace(
          'server_tokens off;',
          `server_tokens off;\n${header}`,
        ),
      );
      const path = `${url}/socket.io/?EIO=4&transport=polling`;
      for (let i = 0; i < 10; i++) {
        const opened = await fetch(path);
        const { sid } = JSON.parse((await opened.text()).slice(1)) as { sid: string };
        const Cookie = opened.headers.get('set-cookie')!.split(';', 1)[0]!;
        const posted = await fetch(`${path}&sid=${sid}`, { method: 'POST', body: '40', headers: { Cookie } });
        expect(posted.status).to.equal(200);
        expect(await (await fetch(`${path}&sid=${sid}`, { headers: { Cookie } })).text()).to.match(/^40\{/);
      }
    });
  });

  describe('on Redis', () => {
    let redis: OwnRedis;
    let app: RunningNode | undefined;

    beforeEach(async () => {
      redis = await OwnRedis.start();
    });

    afterEach(async () => {
      await app?.stop();
      app = undefined;
      await redis.stop();
    });

    it('gives streams a new epoch after a restore of which no node knows', async () => {
      app = await startTestApp({ REDIS_URL: redis.url });
      for (let n = 0; n < 5; n++) await publish(app.url, 'news:a', n);
      const link = await redis.connect();
      const dump = (key: string) => link.command(['COPY', `{news}:${key}`, `{news}:${key}:copy`]);
      for (const key of ['log', 'meta', 'last']) await dump(key);
      for (let n = 5; n < 10; n++) await publish(app.url, 'news:a', n);
      const client = await subscribeOver('websocket', { url: app.url }, { topics: ['news:*'], rewind: 1 });
      await until('it has the newest', () => client.seen.data().at(-1) === 9);
      const since = client.seen.cursor;
      client.close();
      await app.stop();
      for (const key of ['log', 'meta', 'last'])
        await link.command(['RENAME', `{news}:${key}:copy`, `{news}:${key}`]);

      const script = blocks('sh').find((block) => block.includes(':meta'))!;
      const cli = `redis-cli -p ${new URL(redis.url).port}`;
      await run('bash', ['-c', script.replaceAll('redis-cli', cli)]);

      app = await startTestApp({ REDIS_URL: redis.url });
      for (let n = 0; n < 20; n++) await publish(app.url, 'news:a', `other ${n}`);
      const returned = await subscribeOver('websocket', { url: app.url }, { topics: ['news:*'], since });
      returned.close();
      expect(returned.verdicts).to.deep.equal([
        { topic: 'news:*', recovered: false, reason: 'epoch_changed' },
      ]);
    });

    it('is right that nothing is taken, and 503 is said, where replicas or memory are missing', async () => {
      app = await startTestApp({ REDIS_URL: redis.url });
      expect((await publish(app.url, 'news:a', 1)).status).to.equal(201);
      const link = await redis.connect();
      for (const [wrong, right, code] of [
        [['min-replicas-to-write', '1'], ['min-replicas-to-write', '0'], 'log_unavailable'],
        [['maxmemory', '1mb'], ['maxmemory', '0'], 'storage_full'],
      ] as const) {
        await link.command(['CONFIG', 'SET', ...wrong]);
        const { status, body } = await publish(app.url, 'news:a', 'not taken');
        await link.command(['CONFIG', 'SET', ...right]);
        expect({ status, code: body.code }, wrong[0]).to.deep.equal({ status: 503, code });
      }
      expect((await publish(app.url, 'news:a', 2)).body.seq).to.equal(2);
      expect((await get(`${app.url}/health/ready`)).status).to.equal(200);
    });
  });
});
