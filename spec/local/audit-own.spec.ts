/** `npm run audit:own` on a small project of its own, with a registry of its own. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SHA512 = `sha512-${'A'.repeat(86)}==`;
const DIGEST = `sha256:${'0'.repeat(64)}`;

type Packages = Record<string, Record<string, unknown>>;

interface Project {
  readonly packages?: Packages;
  readonly dockerfile?: string;
  readonly compose?: string;
}

describe('npm run audit:own', () => {
  let registry: Server;
  let dir: string;
  /** What the registry knows; undefined if it does not tell. */
  let advisories: object | undefined;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-audit-'));
    // A copy, which allows nothing.
    cpSync(join(ROOT, 'scripts/audit-own.mjs'), join(dir, 'scripts/audit-own.mjs'));
    cpSync(join(ROOT, 'scripts/audit-own'), join(dir, 'scripts/audit-own'), { recursive: true });
    symlinkSync(join(ROOT, 'node_modules'), join(dir, 'scripts/node_modules'), 'junction');
    const nothing = ['INSTALL_SCRIPTS', 'WITHOUT_DIGEST', 'ADVISORIES'];
    writeFileSync(
      join(dir, 'scripts/audit-own/allowed.mjs'),
      nothing.map((name) => `export const ${name} = {};\n`).join(''),
    );
    registry = createServer((request, response) => {
      const status = request.method === 'POST' && advisories !== undefined ? 200 : 405;
      response.writeHead(status, { 'Content-Type': 'application/json' });
      response.end(JSON.stringify(advisories ?? {}));
    });
    await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  });

  after(() => {
    registry?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  beforeEach(() => {
    advisories = {};
  });

  function audit(project: Project): Promise<{ code: unknown; text: string }> {
    const { packages = {}, dockerfile = '', compose = 'services: {}' } = project;
    const root = join(dir, 'project');
    rmSync(root, { recursive: true, force: true });
    mkdirSync(join(root, 'nginx'), { recursive: true });
    const dependencies = { 'left-pad': '1.0.0' };
    const own = { name: 'own', version: '1.0.0', dependencies };
    const sound = { 'node_modules/left-pad': { version: '1.0.0', integrity: SHA512 } };
    const lock = { ...own, lockfileVersion: 3, packages: { '': own, ...sound, ...packages } };
    const files = {
      'package.json': JSON.stringify(own),
      'package-lock.json': JSON.stringify(lock),
      Dockerfile: `FROM node:24.1.2-slim@${DIGEST} AS base\nFROM base\n${dockerfile}`,
      'nginx/Dockerfile': `FROM nginx:1.2.3@${DIGEST}`,
      'docker-compose.yml': compose,
    };
    for (const [name, text] of Object.entries(files)) writeFileSync(join(root, name), text);
    const { npm_execpath: _, ...env } = process.env;
    const { port } = registry.address() as AddressInfo;
    return new Promise((resolve) => {
      execFile(
        process.execPath,
        [join(dir, 'scripts/audit-own.mjs'), '--root', root],
        { env: { ...env, npm_config_registry: `http://127.0.0.1:${port}`, npm_config_fetch_retries: '0' } },
        (error, stdout, stderr) => resolve({ code: error?.code ?? 0, text: stdout + stderr }),
      );
    });
  }

  async function expectProblem(project: Project, problem: string) {
    const { code, text } = await audit(project);
    expect(text).to.include(problem);
    expect(code).to.equal(1);
  }

  const other = (entry: Record<string, unknown>): Project => ({
    packages: { 'node_modules/other': { version: '1.0.0', integrity: SHA512, ...entry } },
  });

  it('lets a project pass in which all is well', async () => {
    const compose = `services: { own: { image: own:latest, build: . }, redis: { image: 'redis:7.2.1@${DIGEST}' } }`;
    const { code, text } = await audit({ compose });
    expect(text).to.include('packages of the lock file: 1\nimages: 3\n').and.to.include('all is well');
    expect(code).to.equal(0);
  });

  it('finds a package without a checksum, with a weak one, with an address, and from outside', async () => {
    await expectProblem(other({ integrity: undefined }), 'node_modules/other: has no sha512');
    await expectProblem(other({ integrity: 'sha1-AAAA' }), 'node_modules/other: has no sha512');
    const resolved = 'https://elsewhere.example/other.tgz';
    await expectProblem(other({ resolved }), 'node_modules/other: names where it comes from');
    await expectProblem(other({ link: true, resolved: '../other' }), 'node_modules/other: links to ../other');
  });

  it('finds a package that runs something at its installation', async () => {
    await expectProblem(
      other({ hasInstallScript: true }),
      'node_modules/other: runs something at its installation',
    );
  });

  it('finds an image without a version or a digest', async () => {
    await expectProblem({ dockerfile: 'FROM debian:latest' }, 'Dockerfile: debian:latest has no version');
    await expectProblem({ dockerfile: 'FROM debian' }, 'Dockerfile: debian has no version');
    await expectProblem({ dockerfile: 'COPY --from=tini:1.2.3 /a /a' }, 'tini:1.2.3 has no digest');
    const compose = 'services: { redis: { image: redis:7 } }';
    await expectProblem({ compose }, 'docker-compose.yml: redis:7 has no version with three numbers');
  });

  it('finds a known advisory, and says so loudly where none can be looked up', async () => {
    const url = 'https://github.com/advisories/GHSA-aaaa-bbbb-cccc';
    const [severity, title] = ['high', 'pads to the right'];
    advisories = { 'left-pad': [{ id: 1, url, title, severity, vulnerable_versions: '*', cwe: [] }] };
    await expectProblem({}, 'left-pad: high: pads to the right (GHSA-aaaa-bbbb-cccc)');
    advisories = undefined;
    const { code, text } = await audit({});
    expect(text).to.include('NOT IN REACH: known advisories were not looked up (the registry answers 405)');
    expect(code).to.equal(0);
  });

  it('lets nothing stay allowed that is not used', async () => {
    const file = join(dir, 'scripts/audit-own/allowed.mjs');
    writeFileSync(
      file,
      "export const INSTALL_SCRIPTS = { gone: 'x' };\nexport const WITHOUT_DIGEST = { 'gone:1.2.3': 'x' };\nexport const ADVISORIES = {};\n",
    );
    await expectProblem({}, 'gone: is allowed a script at installation that it does not have');
    await expectProblem({}, 'gone:1.2.3: is allowed to have no digest, and is not used so');
  });
});
