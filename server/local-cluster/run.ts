/** `npm run cluster`: a cluster on this machine, until Ctrl-C. */

import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import { ConfigError, readConfig } from '../config/config.js';
import { hangUp } from '../stop-signal.js';
import { LocalCluster, type LocalNode } from './local-cluster.js';
import { MissingProgram } from './managed-process.js';
import { isFree } from './ports.js';

const MAX_NODES = 64;
/** Pause before a node that died is restarted. */
const RESTART_AFTER_MS = 2_000;

async function main(): Promise<void> {
  const nodes = Number(process.env.NODES || '3');
  if (!Number.isInteger(nodes) || nodes < 1 || nodes > MAX_NODES) {
    throw new ConfigError([
      `NODES: must be a whole number from 1 to ${MAX_NODES} (it is "${process.env.NODES}")`,
    ]);
  }
  // The nodes read the same environment; report a mistake in it once, here.
  const { http, redis, access } = readConfig(process.env);
  const { port } = http;
  // All nodes must accept the same key.
  const publishKey = access.development ? access.publishKey || randomBytes(18).toString('base64url') : '';
  for (let taken = port; taken <= port + nodes; taken++) {
    if (!(await isFree(taken))) throw new Error(`port ${taken} is taken; set PORT to another one`);
  }
  process.stdout.write(`Starting ${redis.url === '' ? 'Redis, ' : ''}${nodes} nodes and NGINX …\n`);
  let stopping = false;
  const cluster = await LocalCluster.start({
    nodes,
    port,
    ...(redis.url === '' ? {} : { redisUrl: redis.url }),
    env: {
      LOG_LEVEL: process.env.LOG_LEVEL || 'warn',
      PUBLISH_KEY: publishKey,
      TRUST_PROXY: http.trustedProxies.join(','),
    },
    onLine: (name, line) => {
      if (line.startsWith('{')) process.stderr.write(`${name}  ${line}\n`);
    },
  });
  for (const node of cluster.nodes) {
    void keepRunning(node, () => stopping);
  }
  // The nodes learn of one another from their reports, which are made every 1.5 s.
  await waitForNodes(cluster.url, nodes);
  process.stdout.write(
    [
      await statusTable(cluster),
      '',
      ...(access.development ? [`Only this machine is served. Publish key of this run: ${publishKey}`] : []),
      `Open http://localhost:${port}/     Ctrl-C stops the cluster.`,
      '',
    ].join('\n'),
  );

  const stop = () => {
    if (stopping) {
      process.stdout.write('A second signal: everything is ended at once.\n');
      process.exit(1);
    }
    stopping = true;
    process.stdout.write('\nDraining the nodes one after the other …\n');
    cluster.stop().then(
      () => {
        process.stdout.write('Stopped.\n');
        process.exit(0);
      },
      (error: unknown) => fail(error),
    );
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  if (access.apiKeysFile !== '') {
    const reload = () => {
      for (const { process: node } of cluster.nodes) if (node.running) node.signal('SIGHUP');
    };
    process.on('SIGHUP', hangUp(reload, stop));
  }
}

async function keepRunning({ process: node }: LocalNode, isStopping: () => boolean): Promise<void> {
  for (;;) {
    const result = await node.exited;
    if (isStopping()) return;
    process.stdout.write(
      `${node.name} ended with ${result}; restarting it in ${RESTART_AFTER_MS / 1000} s\n`,
    );
    await delay(RESTART_AFTER_MS);
    if (isStopping()) return;
    try {
      await node.start();
      process.stdout.write(`${node.name} is back, process ${node.pid}\n`);
    } catch (error) {
      process.stdout.write(`${error instanceof Error ? error.message : error}\n`);
    }
  }
}

async function waitForNodes(url: string, count: number): Promise<void> {
  for (let i = 0; i < 50; i++) {
    const response = await fetch(`${url}/health`);
    const { instances } = (await response.json()) as { instances: number };
    if (instances >= count) return;
    await delay(100);
  }
}

async function statusTable(cluster: LocalCluster): Promise<string> {
  const response = await fetch(`${cluster.url}/api/nodes`);
  // Unless a public stream carries the reports, only administrators may read them.
  const nodes = response.ok ? ((await response.json()) as { nodes: NodeReport[] }).nodes : undefined;
  const rows = [
    ['', 'address', 'process', 'state'],
    ['nginx', cluster.url.replace('127.0.0.1', 'localhost'), String(cluster.nginx.pid), 'serves'],
    ...cluster.nodes.map(({ name, url, process: { pid } }) => {
      const report = nodes?.find(({ node }) => node === name);
      const memory = report === undefined ? '' : `, ${Math.round(report.rssBytes / 2 ** 20)} MiB`;
      return [
        name,
        url,
        String(pid),
        nodes === undefined ? 'started' : report === undefined ? 'silent' : `serves${memory}`,
      ];
    }),
    [
      'redis',
      withoutPassword(cluster.redisUrl),
      String(cluster.redis?.pid ?? '-'),
      cluster.redis ? 'serves' : 'yours',
    ],
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column]!)).join('   ')}`.trimEnd())
    .join('\n');
}

function withoutPassword(url: string): string {
  return url.replace(/:[^:/@]*@/, ':…@').replace(/(sentinelPassword=)[^&]*/i, '$1…');
}

function fail(error: unknown): never {
  if (error instanceof ConfigError) {
    process.stderr.write(error.report);
  } else if (error instanceof MissingProgram) {
    process.stderr.write(`${error.message}\n`);
  } else {
    process.stderr.write(`The cluster could not start: ${error instanceof Error ? error.message : error}\n`);
  }
  process.exit(1);
}

main().catch(fail);
