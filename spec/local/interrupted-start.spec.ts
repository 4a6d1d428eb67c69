import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { until } from '../support/wait.js';

const MODULE = new URL('../../server/local-cluster/local-cluster.js', import.meta.url).href;
const PROGRAM = `import { LocalCluster } from ${JSON.stringify(MODULE)};
  await LocalCluster.start({ nodes: 1 });
  console.log('started');
  setInterval(() => {}, 1000);`;

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => resolve(true));
    socket.on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });
}

describe('A cluster on this machine whose program is ended', () => {
  let dir: string;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-ended-'));
  });

  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  const inside = () => readdirSync(dir).flatMap((name) => readdirSync(join(dir, name)));

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    it(`by ${signal} as it starts leaves no folder`, async () => {
      const program = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
        env: { ...process.env, TMPDIR: dir },
        stdio: 'ignore',
      });
      const exited = once(program, 'exit');
      try {
        await until('it writes to its folder', () => inside().includes('nginx'), { withinMs: 20_000 });
        program.kill(signal);
        expect((await exited)[1]).to.equal(signal);
        expect(readdirSync(dir)).to.deep.equal([]);
      } finally {
        program.kill('SIGKILL');
      }
    });
  }

  it('by SIGTERM after it has started leaves no folder, and no worker of NGINX', async () => {
    const program = spawn(process.execPath, ['--input-type=module', '-e', PROGRAM], {
      env: { ...process.env, TMPDIR: dir },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(program, 'exit');
    try {
      await once(program.stdout, 'data');
      const [folder] = readdirSync(dir);
      const configuration = readFileSync(join(dir, folder!, 'nginx', 'http', 'hub.conf'), 'utf8');
      const [, port] = /listen 127\.0\.0\.1:(\d+);/.exec(configuration) ?? [];
      expect(await isListening(Number(port)), 'NGINX listens').to.equal(true);
      program.kill('SIGTERM');
      await exited;
      expect(readdirSync(dir)).to.deep.equal([]);
      await until('nobody listens in its place', async () => !(await isListening(Number(port))));
    } finally {
      program.kill('SIGKILL');
    }
  });
});
