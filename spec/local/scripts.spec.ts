import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
/** What npm finds on every system once the packages are installed. */
const PROGRAMS = ['node', 'npm', 'tsc', 'vite', 'biome', 'mocha', 'depcruise'];

/** Whether a command means the same in sh, cmd and PowerShell. */
function isPortable(command: string): boolean {
  const [program = ''] = command.split(' ');
  return PROGRAMS.includes(program) && !/[|><;&$%`'"*~]/.test(command);
}

describe('The scripts of package.json', () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    scripts: Record<string, string>;
  };

  it('run on every system: programs that npm brings, one after the other', () => {
    const others = Object.entries(scripts).flatMap(([name, script]) =>
      script
        .split(' && ')
        // The specs install servers, which is done with a package manager of the system.
        .filter(
          (command) => !isPortable(command) && !(name.startsWith('test') && command.startsWith('bash spec/')),
        )
        .map((command) => `${name}: ${command}`),
    );
    expect(others).to.deep.equal([]);
  });

  it('are told from commands of a shell', () => {
    for (const command of [
      'cp a b',
      'bash x.sh',
      'A=1 node x.js',
      'node x.js | tail',
      "mocha 'a b'",
      'mocha *.js',
    ]) {
      expect(isPortable(command), command).to.equal(false);
    }
    expect(isPortable('node --enable-source-maps dist/server/main.js outbox')).to.equal(true);
  });
});

describe('The build of the server', () => {
  let dir: string;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-assets-'));
  });
  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  it('copies scripts and migrations next to their readers, and deletes stale ones', () => {
    const file = (path: string) => {
      mkdirSync(dirname(join(dir, path)), { recursive: true });
      writeFileSync(join(dir, path), path);
    };
    for (const path of ['server/log/a.lua', 'server/log/b.ts', 'server/x/migrations/001-new.sql']) file(path);
    for (const path of ['dist/server/log/b.js', 'dist/server/x/migrations/001-old.sql']) file(path);
    cpSync(join(ROOT, 'scripts'), join(dir, 'scripts'), { recursive: true });
    execFileSync(process.execPath, [join(dir, 'scripts/copy-assets.mjs')]);
    const built = readdirSync(join(dir, 'dist'), { recursive: true, encoding: 'utf8' });
    expect(
      built.filter((path) => /\.\w+$/.test(path)).map((path) => path.replaceAll('\\', '/')),
    ).to.have.members(['server/log/a.lua', 'server/log/b.js', 'server/x/migrations/001-new.sql']);
  });
});
