import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Ajv } from 'ajv';
import { expect } from 'chai';
import { parse } from 'yaml';
import { VARIABLES } from '../../server/config/variables.js';
import { NODE_STOPS_WITHIN_MS } from '../../server/node/start-node.js';
import { ADDRESSES } from './answers.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8');

/** A value as .env may set it. */
const setting = (text: string) => `\${${text}}`;

interface Service {
  readonly image: string;
  readonly container_name?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly depends_on?: Readonly<Record<string, { condition?: string }>>;
  readonly healthcheck?: { readonly interval: string; readonly start_interval: string };
  readonly ports?: readonly string[];
  readonly [property: string]: unknown;
}

interface Compose {
  readonly networks: Readonly<Record<string, unknown>>;
  readonly services: Readonly<Record<string, Service>>;
}

/** `!reset` is Compose's own. */
const readCompose = (file: string) =>
  parse(read(file), { merge: true, customTags: [{ tag: '!reset', resolve: () => null }] }) as Compose;

function schema(): object {
  const entry = createRequire(import.meta.url).resolve('dclint/package.json');
  return JSON.parse(readFileSync(join(dirname(entry), 'schemas/compose.schema.json'), 'utf8')) as object;
}

describe('The compose file', () => {
  const { services, networks } = readCompose('docker-compose.yml');
  const service = (name: string) => services[name]!;

  for (const file of ['docker-compose.yml', 'docker-compose.join.yml']) {
    it(`keeps to the schema of the Compose Specification: ${file}`, () => {
      // The schema has notes of its own beside JSON Schema, and its formats are checked by Compose itself.
      const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
      const { $schema, ...rest } = schema() as { $schema: string };
      expect($schema).to.match(/draft-07/);
      const validate = ajv.compile(rest);
      validate(readCompose(file));
      // A service that an overlay takes away is null in it.
      const errors = (validate.errors ?? []).filter(
        ({ instancePath }) => file === 'docker-compose.yml' || !/\/(redis|depends_on)$/.test(instancePath),
      );
      expect(errors).to.deep.equal([]);
      expect(validate({ services: { api: { imge: 'x' } } })).to.equal(false);
    });
  }

  it('keeps the names and ports that users know', () => {
    expect(read('docker-compose.yml')).to.match(/^name: axiom-streaming$/m);
    expect(service('nginx').container_name).to.equal('axiom-streaming-nginx');
    expect(service('redis').container_name).to.equal('axiom_redis');
    expect(service('nginx').ports).to.deep.equal([
      `${setting('HTTP_PORT:-8001')}:8001`,
      `${setting('HTTPS_PORT:-8443')}:8443`,
    ]);
    // Compose calls the replicas axiom-streaming-api-1, -2, -3.
    expect(service('api').deploy).to.deep.equal({ replicas: setting('NODES:-3') });
    expect(service('nginx').environment?.NODES).to.equal(setting('NODES:-3'));
  });

  it('runs everything read-only, without privileges, within limits, with logs that are rotated', () => {
    for (const [name, each] of Object.entries(services)) {
      expect(each.read_only, name).to.equal(true);
      expect(each.cap_drop, name).to.deep.equal(['ALL']);
      expect(each.security_opt, name).to.deep.equal(['no-new-privileges:true']);
      expect(each.restart, name).to.equal('unless-stopped');
      expect(each.mem_limit, name).to.be.a('string');
      expect(each.pids_limit, name).to.be.within(1, 256);
      for (const folder of (each.tmpfs ?? []) as string[]) expect(folder, name).to.match(/^\/tmp:size=\d+m$/);
      expect(each.logging, name).to.have.nested.property('options.max-size');
      expect(each.image, name).to.match(/:v?\d+\.\d+\.\d+/);
    }
    for (const file of ['Dockerfile', 'nginx/Dockerfile']) {
      expect(read(file), file).to.match(/^USER (node|101:101)$/m);
      expect(read(file), file).to.match(/^STOPSIGNAL SIG/m);
      for (const [, image] of read(file).matchAll(/^FROM (\S+:\S+)/gm))
        expect(image).to.match(/:\d+\.\d+\.\d+/);
    }
    expect(service('redis').user).to.equal('999:999');
  });

  it('publishes ports of services behind NGINX only on this machine', () => {
    for (const [name, { ports = [] }] of Object.entries(services)) {
      if (name === 'nginx') continue;
      for (const port of ports) expect(port, name).to.match(/^127\.0\.0\.1:/);
    }
  });

  it('has Redis where only those reach it who need it, and lets nobody out from there', () => {
    expect(networks.redis).to.deep.equal({ internal: true });
    const inNetwork = (network: string) =>
      Object.keys(services).filter((name) => (service(name).networks as string[]).includes(network));
    expect(inNetwork('redis')).to.have.members(['api', 'redis', 'redis-exporter']);
    expect(inNetwork('default')).to.have.members(['nginx', 'api', 'prometheus', 'nginx-exporter']);
    expect(inNetwork('monitoring')).to.have.members([
      'prometheus',
      'grafana',
      'redis-exporter',
      'nginx-exporter',
    ]);
    expect(service('redis').networks).to.deep.equal(['redis']);
    expect(service('redis').ports).to.equal(undefined);
  });

  it('gives the hub the rights in Redis that SECURITY.md names, and not the password of who may do more', () => {
    const [, rule] = /^ACL SETUSER axiom on >PASSWORD (.+)$/m.exec(read('SECURITY.md')) ?? [];
    const command = String(service('redis').command);
    expect(command).to.include(`axiom "$$(hash "$$REDIS_PASSWORD")" '${rule}'`);
    expect(command).not.to.include('requirepass');
    expect(service('api').environment?.REDIS_URL).to.match(/^redis:\/\/axiom:\$\{REDIS_PASSWORD:/);
    for (const [name, { environment = {} }] of Object.entries(services)) {
      if (name !== 'redis') expect(JSON.stringify(environment), name).not.to.include('REDIS_ADMIN_PASSWORD');
    }
  });

  it('asks for health as often as promised, and starts by it', () => {
    expect(service('api').healthcheck).to.include({ interval: '30s', start_interval: '1s' });
    expect(service('nginx').healthcheck).to.include({ interval: '10s' });
    expect(service('redis').healthcheck)
      .to.have.property('test')
      .that.includes('redis-cli PING | grep -q PONG');
    for (const [name, each] of Object.entries(services)) {
      for (const [other, { condition }] of Object.entries(each.depends_on ?? {})) {
        expect(condition, `${name} on ${other}`).to.equal('service_healthy');
        expect(services[other]?.healthcheck, other).not.to.equal(undefined);
      }
    }
  });

  it('gives a node longer to stop than it takes at most', () => {
    const [, more = ''] =
      /STOP_DEADLINE_MS = NODE_STOPS_WITHIN_MS \+ ([\d_]+)/.exec(read('server/main.ts')) ?? [];
    const deadlineMs = NODE_STOPS_WITHIN_MS + Number(more.replaceAll('_', '') || Number.NaN);
    expect(Number.parseInt(String(service('api').stop_grace_period), 10) * 1000).to.be.greaterThan(
      deadlineMs,
    );
  });

  it('sets nothing for the nodes that they do not know', () => {
    for (const name of Object.keys(service('api').environment ?? {}))
      expect(VARIABLES).to.have.property(name);
  });

  it('takes no setting that the README does not name', () => {
    const section = /^## In containers$.*?(?=^## )/ms.exec(read('README.md'))![0];
    const settings = new Set(
      [...read('docker-compose.yml').matchAll(/\$\{([A-Z_]+)/g)].map(([, name]) => name!),
    );
    const unnamed = [...settings].filter((name) => !section.includes(name));
    expect(unnamed).to.deep.equal(['COMPOSE_PROJECT_NAME']);
  });

  it('does not start without the secrets', () => {
    const text = read('docker-compose.yml');
    for (const name of ['JWT_SECRET', 'REDIS_PASSWORD', 'REDIS_ADMIN_PASSWORD', 'GRAFANA_PASSWORD']) {
      const uses = text.match(new RegExp(`\\$\\{${name}[^}]*`, 'g')) ?? [];
      expect(uses, name).not.to.deep.equal([]);
      for (const use of uses) expect(use).to.match(/:\?is not set; "npm run secrets" writes it into \.env$/);
    }
  });

  it('shares its version with the package', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(service('api').image).to.equal(`axiom-streaming:${version}`);
    expect(service('nginx').image).to.equal(`axiom-streaming-nginx:${version}`);
  });
});

describe('npm run verify:compose', () => {
  it('asks for every address of HTTP that the README names', () => {
    const table = /^## HTTP$.*?(?=^Errors are)/ms.exec(read('README.md'))![0];
    const firstColumn = [...table.matchAll(/^\|([^|]*)\|/gm)].map(([, cell]) => cell).join('\n');
    // `GET, DELETE /a[/{id}]` is `GET /a` and `DELETE /a/{id}`; what has no method has that of the one before it.
    const named: string[] = [];
    let methods = ['GET'];
    for (const [, before, path = ''] of firstColumn.matchAll(/`([A-Z, ]*)(\/[^`?]*)[^`]*`/g)) {
      if (before !== '') methods = before!.trim().split(', ');
      const [, short = path, longer = ''] = /^(.*)\[(.*)\]$/.exec(path) ?? [];
      for (const method of methods) named.push(`${method} ${short}${method === 'DELETE' ? longer : ''}`);
    }
    expect(named).to.have.lengthOf.above(10);
    expect(ADDRESSES.map(({ name }) => name)).to.include.members(named);
    expect(named).to.include('GET /health/ready').and.to.include('DELETE /api/connections/{id}');
  });
});

describe('npm run secrets', () => {
  let dir: string;
  const secrets = (file: string) =>
    spawnSync(process.execPath, [join(ROOT, 'docker/secrets.mjs'), file], { encoding: 'utf8' });

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-secrets-'));
  });

  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  it('writes missing secrets readable only for the owner, and prints none of them', () => {
    const file = join(dir, 'new');
    const { status, stdout } = secrets(file);
    expect(status).to.equal(0);
    const text = readFileSync(file, 'utf8');
    for (const name of ['JWT_SECRET', 'REDIS_PASSWORD', 'REDIS_ADMIN_PASSWORD', 'GRAFANA_PASSWORD']) {
      const value = new RegExp(`^${name}=([A-Za-z0-9_-]{43})$`, 'm').exec(text)?.[1];
      expect(value, name).to.be.a('string');
      expect(stdout).to.include(name).and.not.to.include(value!);
    }
    expect(statSync(file).mode & 0o777).to.equal(0o600);
  });

  it('keeps existing secrets, and fills empty ones', () => {
    const file = join(dir, 'old');
    writeFileSync(file, 'NODES=5\nJWT_SECRET=mine\nREDIS_PASSWORD=');
    secrets(file);
    const text = readFileSync(file, 'utf8');
    expect(text).to.match(/^NODES=5\nJWT_SECRET=mine\n/);
    expect(text.match(/^REDIS_PASSWORD=.*$/gm)).to.have.lengthOf(1);
    expect(text).to.match(/^REDIS_PASSWORD=\S{43}$/m);
    secrets(file);
    expect(readFileSync(file, 'utf8')).to.equal(text);
  });
});
