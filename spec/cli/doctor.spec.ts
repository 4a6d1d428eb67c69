import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { nginx } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { startTestCluster } from '../support/cluster.js';
import { get } from '../support/http.js';
import { until } from '../support/wait.js';
import { runCli } from './run-cli.js';

type Change = (configuration: string) => string;

const without =
  (...lines: readonly string[]): Change =>
  (configuration) =>
    lines.reduce((text, line) => {
      expect(text, 'what is to be broken').to.include(line);
      return text.replaceAll(line, '');
    }, configuration);

describe('The doctor', () => {
  let cluster: LocalCluster;
  const proxies: ManagedProcess[] = [];

  before(async () => {
    cluster = await startTestCluster({ nodes: 2, env: { DRAIN_MS: '0' } });
    // A node that is alone cannot be missed by a request.
    await until('each node knows of both', async () => {
      const known = cluster.nodes.map(
        async ({ url }) => (await get<{ instances: number }>(`${url}/health`)).body,
      );
      return (await Promise.all(known)).every(({ instances }) => instances === 2);
    });
  });
  after(async () => {
    await Promise.all(proxies.map((proxy) => proxy.stop('SIGTERM', 3_000)));
    await cluster?.stop();
  });

  /** What is found behind an NGINX whose configuration somebody has changed. */
  const examine = async (change: Change) => {
    const port = await freePorts(1);
    const dir = join(cluster.dir, `broken-${port}`);
    const nodePorts = cluster.nodes.map((node) => node.port);
    const proxy = nginx({ dir, host: '127.0.0.1', port, nodePorts });
    const file = join(dir, 'http/hub.conf');
    writeFileSync(file, change(readFileSync(file, 'utf8')));
    await proxy.start();
    proxies.push(proxy);
    const { json, code } = await runCli(['--json', 'doctor', `http://127.0.0.1:${port}`, '--wait', '4']);
    const findings = json() as { check: string; state: string; what: string; mend?: string }[];
    return { code, bad: findings.filter(({ state }) => state === 'failed' || state === 'warning'), findings };
  };

  it('finds nothing where NGINX is as it should be', async () => {
    const { code, bad, findings } = await examine((configuration) => configuration);
    expect(bad).to.deep.equal([]);
    expect(findings.map(({ check }) => check)).to.have.members([
      'buffering',
      'read-timeout-sse',
      'upgrade',
      'read-timeout-websocket',
      'stickiness',
      'client-address',
    ]);
    expect(findings.every(({ state }) => state === 'ok')).to.equal(true);
    expect(code).to.equal(0);
  });

  const BROKEN: readonly (readonly [
    what: string,
    change: Change,
    checks: readonly string[],
    mend: RegExp,
  ])[] = [
    [
      'buffers event streams',
      // A body in chunks passes NGINX at once, buffered or not; an answer to HTTP/1.0 has none.
      (text) =>
        text.replaceAll(
          /proxy_buffering off;\s+gzip off;/g,
          'proxy_buffering on; proxy_ignore_headers X-Accel-Buffering; proxy_http_version 1.0;',
        ),
      ['buffering'],
      /proxy_buffering off/,
    ],
    [
      'cuts connections that are quiet for a second',
      (text) => text.replaceAll('proxy_read_timeout 20s;', 'proxy_read_timeout 1s;'),
      ['read-timeout-sse', 'read-timeout-websocket'],
      /proxy_read_timeout 20s/,
    ],
    ['sends each request to another node', without('ip_hash;'), ['stickiness'], /ip_hash/],
    [
      'does not pass upgrades on',
      without('proxy_set_header Upgrade $hub_upgrade;', 'proxy_set_header Connection $hub_connection;'),
      ['upgrade'],
      /proxy_set_header Upgrade/,
    ],
  ];
  for (const [what, change, checks, mend] of BROKEN) {
    it(`finds a proxy that ${what}, and says how to mend it`, async () => {
      const { code, bad } = await examine(change);
      expect(bad.map(({ check }) => check)).to.have.members([...checks]);
      for (const finding of bad) expect(finding.mend).to.match(mend);
      expect(code).to.equal(1);
    });
  }

  it('warns of a proxy that does not forward client addresses', async () => {
    const { code, bad } = await examine(without('proxy_set_header X-Forwarded-For $remote_addr;'));
    expect(bad).to.have.length(1);
    expect(bad[0]).to.include({ check: 'client-address', state: 'warning' });
    expect(code).to.equal(0);
  });

  it('exits with 1 at an address that is not a hub, and with 3 if nothing answers', async () => {
    expect((await runCli(['doctor', 'http://127.0.0.1:9'])).code).to.equal(3);
    expect((await runCli(['doctor', `${cluster.url}/nowhere`])).code).to.equal(1);
  });
});
