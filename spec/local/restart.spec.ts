import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { freePorts } from '../../server/local-cluster/ports.js';
import { until } from '../support/wait.js';

const CLUSTER = fileURLToPath(new URL('../../server/local-cluster/run.js', import.meta.url));
const HANG = fileURLToPath(new URL('../support/hang-on-signal.js', import.meta.url));

describe('npm run cluster', function () {
  this.timeout(300_000);
  let cluster: ChildProcess | undefined;
  let output = '';

  after(async () => {
    if (cluster === undefined || cluster.exitCode !== null) return;
    cluster.kill('SIGTERM');
    await once(cluster, 'exit');
  });

  it('starts a node again whose event loop hung and that has ended itself', async () => {
    const port = await freePorts(3);
    cluster = spawn(process.execPath, [CLUSTER], {
      env: {
        ...process.env,
        PORT: String(port),
        NODES: '2',
        FEEDS: 'off',
        WATCHDOG_MS: '1000',
        NODE_OPTIONS: `--import=${HANG}`,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [cluster.stdout, cluster.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
      });
    const node1 = () => /^ +node1 +\S+ +(\d+) +serves/m.exec(output)?.[1];
    await until('the cluster serves', () => node1() !== undefined, {
      withinMs: 30_000,
      instead: () => output,
    });

    process.kill(Number(node1()), 'SIGUSR2');
    await until('the node is back', () => output.includes('node1 is back, process '), {
      withinMs: 30_000,
      instead: () => output,
    });

    expect(output).to.include('node1 ended with SIGALRM; restarting it in 2 s');
    expect(output).to.match(/^node1 +\{"level":60,.*"watchdog: the event loop has stood still/m);
    const live = await fetch(`http://127.0.0.1:${port + 1}/health/live`);
    expect(await live.json()).to.deep.equal({ status: 'ok', node: 'node1' });
  });
});
