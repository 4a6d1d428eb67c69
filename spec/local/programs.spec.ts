import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { findProgram, ManagedProcess, MissingProgram } from '../../server/local-cluster/managed-process.js';
import { renderTemplate } from '../../server/local-cluster/nginx.js';
import { freePorts, isFree } from '../../server/local-cluster/ports.js';
import { until } from '../support/wait.js';

const TEMPLATES = fileURLToPath(new URL('../../../nginx', import.meta.url));

/** Where a template wants a value. */
const hole = (name: string) => `\${${name}}`;

describe('A template of NGINX', () => {
  it('has its names filled in, and the variables of NGINX left alone', () => {
    const template = `listen ${hole('HUB_LISTEN')};\nHost $http_host; # ${hole('HUB_LISTEN')} $hub_connection`;
    expect(renderTemplate(template, { HUB_LISTEN: '[::]:80' })).to.equal(
      'listen [::]:80;\nHost $http_host; # [::]:80 $hub_connection',
    );
  });

  it('takes a value as it is, whatever characters it has', () => {
    const value = `$& $1 $' ${hole('X')}`;
    expect(renderTemplate(`a ${hole('X')} b`, { X: value })).to.equal(`a ${value} b`);
    expect(renderTemplate(`a ${hole('X')} b`, { X: '' })).to.equal('a  b');
  });

  it('is refused where a name has no value', () => {
    const template = `${hole('HUB_LISTEN')} ${hole('HUB_MISSING')}`;
    expect(() => renderTemplate(template, { HUB_LISTEN: '80' })).to.throw(/HUB_MISSING/);
  });

  it('names nothing else in braces in the files that there are', () => {
    const files = readdirSync(TEMPLATES, { recursive: true, encoding: 'utf8' });
    const templates = files.filter((file) => file.endsWith('.template'));
    expect(templates.length).to.be.greaterThan(3);
    for (const file of templates) {
      const template = readFileSync(join(TEMPLATES, file), 'utf8');
      const names = [...template.matchAll(/\$\{([^}]*)\}/g)].map(([, name]) => name!);
      expect(names, file).not.to.deep.equal([]);
      for (const name of names) expect(name).to.match(/^((HUB|NGINX)_[A-Z_]+|HUB_…)$/);
    }
  });
});

describe('A program', () => {
  it('is found where PATH says', () => {
    expect(findProgram('sh', 'dash')).to.match(/\/sh$/);
  });

  it('that is missing is reported in one line that says how to install it', () => {
    expect(() => findProgram('no-such-program', 'some-package'))
      .to.throw(MissingProgram)
      .with.property(
        'message',
        'no-such-program is not installed. On Debian or Ubuntu: apt-get install some-package',
      );
  });
});

describe('Free ports', () => {
  it('are consecutive, and free', async () => {
    const base = await freePorts(4);
    expect(base).to.be.within(20_000, 32_000);
    for (let port = base; port < base + 4; port++) expect(await isFree(port), String(port)).to.equal(true);
  });

  it('are different in each process that asks', async () => {
    const url = new URL('../../server/local-cluster/ports.js', import.meta.url).href;
    const script = `import { freePorts } from ${JSON.stringify(url)};
      console.log(await freePorts(3));
      process.stdin.resume().once('end', () => process.exit());`;
    const others = Array.from({ length: 4 }, () =>
      spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['pipe', 'pipe', 'inherit'] }),
    );
    try {
      const bases = await Promise.all(
        others.map(async ({ stdout }) => Number(String((await once(stdout, 'data'))[0]))),
      );
      const own = await Promise.all([freePorts(3), freePorts(3)]);
      const ports = [...bases, ...own].flatMap((base) => [base, base + 1, base + 2]);
      expect(new Set(ports)).to.have.property('size', 18);
    } finally {
      for (const { stdin } of others) stdin.end();
    }
  });

  it('are not those on which somebody listens', async () => {
    const port = await freePorts(1);
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    expect(await isFree(port)).to.equal(false);
    await new Promise((resolve) => server.close(resolve));
    expect(await isFree(port)).to.equal(true);
  });
});

describe('A process that is managed', () => {
  let dir: string;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-process-'));
  });

  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  const node = (code: string, options: Partial<ConstructorParameters<typeof ManagedProcess>[0]> = {}) =>
    new ManagedProcess({
      name: 'child',
      command: process.execPath,
      args: ['-e', code],
      ready: async () => true,
      ...options,
    });

  it('is ready when it says so, hears signals, and tells how it ended', async () => {
    const lines: string[] = [];
    const child = node(
      `process.on('SIGTERM', () => process.exit(7)); console.log(process.env.GREETING); setInterval(() => {}, 1000);`,
      {
        env: { GREETING: 'hello' },
        onLine: (line) => lines.push(line),
        ready: async () => lines.includes('hello'),
      },
    );
    await child.start();
    expect(child.running).to.equal(true);
    expect(child.pid).to.be.a('number');
    expect(await child.stop('SIGTERM')).to.equal(7);
    expect(child.running).to.equal(false);
    expect(child.pid).to.equal(undefined);
  });

  it('that ends before it is ready is reported with its output', async () => {
    const child = node(`console.error('cannot open the file'); process.exit(3)`, {
      ready: async () => false,
    });
    const error = await child.start().catch((reason: Error) => reason.message);
    expect(error).to.match(/^child ended with 3: it last wrote\n(.*\n)*cannot open the file/);
    expect(child.running).to.equal(false);
  });

  it('that is never ready is ended', async () => {
    const child = node('setInterval(() => {}, 1000)', { ready: async () => false, readyWithinMs: 50 });
    const error = await child.start().catch((reason: Error) => reason.message);
    expect(error).to.match(/^child was not ready within 50 ms and wrote nothing$/);
    expect(child.running).to.equal(false);
  });

  it('that does not hear is killed', async () => {
    const file = join(dir, 'deaf.cjs');
    writeFileSync(file, `process.on('SIGTERM', () => {}); console.log('up'); setInterval(() => {}, 1000);`);
    let up = false;
    const child = node('', {
      args: [file],
      ready: async () => up,
      onLine: () => {
        up = true;
      },
    });
    await child.start();
    expect(await child.stop('SIGTERM', 30)).to.equal('SIGKILL');
  });

  it('that cannot be started is reported', async () => {
    const child = node('', { command: join(dir, 'no-such-program'), ready: async () => false });
    const error = await child.start().catch((reason: Error) => reason.message);
    expect(error).to.include('ENOENT');
  });

  for (const [how, handler] of [
    ['that ends itself', `process.on('SIGTERM', () => process.exit(0));`],
    ['that a signal ends', ''],
  ] as const)
    it(`ends with the process that started it, ${how}`, async () => {
      const file = join(dir, 'parent.mjs');
      const module = new URL('../../server/local-cluster/managed-process.js', import.meta.url).href;
      const port = await freePorts(1);
      const listen = `require('node:net').createServer().listen(${port}, () => console.log('listening'))`;
      writeFileSync(
        file,
        `import { ManagedProcess } from ${JSON.stringify(module)};
let up = false;
const child = new ManagedProcess({
  name: 'child',
  command: process.execPath,
  args: ['-e', ${JSON.stringify(listen)}],
  ready: async () => up,
  onLine: () => { up = true; },
});
await child.start();
console.log('started');
${handler}
setInterval(() => {}, 1000);
`,
      );
      let started = false;
      const parent = node('', {
        args: [file],
        ready: async () => started,
        onLine: () => {
          started = true;
        },
      });
      await parent.start();
      expect(await isFree(port)).to.equal(false);
      expect(await parent.stop('SIGTERM')).to.equal(handler === '' ? 'SIGTERM' : 0);
      await until('the child is gone', () => isFree(port));
    });
});
