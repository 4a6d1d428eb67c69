/**
 * The rules of the house, read off the sources: who may import what, where each package lives, and some habits.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(`${ROOT}/${path}`, 'utf8');

interface Import {
  /** A module of the server, e.g. `hub/hub.ts`, or the name of a package. */
  readonly of: string;
  readonly isPackage: boolean;
  /** Nothing of it is there when the program runs. */
  readonly typesOnly: boolean;
}

interface Source {
  /** Path below `server/`. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const STATEMENT = /^(?:import|export)\s+(type\s+)?([^;'"]*?\sfrom\s+)?['"]([^'"]+)['"]/gm;
const DYNAMIC = /\bimport\(\s*['"]([^'"]+)['"]/g;

function importsOf(path: string, text: string): Import[] {
  const found = [...text.matchAll(STATEMENT)].map(([, type, names = '', specifier = '']) => {
    const listed = /\{([^}]*)\}\s+from\s+$/.exec(names)?.[1];
    const eachIsType = listed
      ?.split(',')
      .map((name) => name.trim())
      .filter((name) => name !== '')
      .every((name) => name.startsWith('type '));
    return { specifier, typesOnly: type !== undefined || eachIsType === true };
  });
  for (const [, specifier = ''] of text.matchAll(DYNAMIC)) found.push({ specifier, typesOnly: false });
  return found
    .filter(({ specifier }) => !specifier.startsWith('node:'))
    .map(({ specifier, typesOnly }) => {
      if (!specifier.startsWith('.')) {
        const [scope = '', name = ''] = specifier.split('/');
        return { of: scope.startsWith('@') ? `${scope}/${name}` : scope, isPackage: true, typesOnly };
      }
      const module = posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts');
      return { of: module, isPackage: false, typesOnly };
    });
}

const SOURCES: readonly Source[] = readdirSync(`${ROOT}/server`, { recursive: true, encoding: 'utf8' })
  .map((path) => path.replaceAll('\\', '/'))
  .filter((path) => path.endsWith('.ts'))
  .sort()
  .map((path) => ({ path, text: read(`server/${path}`), imports: importsOf(path, read(`server/${path}`)) }));

/**
 * What may be imported by the modules below a path: the first path that fits decides. `type …` stands for imports of
 * types alone. A module may import what lies beside it.
 */
const LAYERS: readonly (readonly [of: string, may: readonly string[]])[] = [
  ['errors.ts', []],
  ['version.ts', []],
  ['logger.ts', []],
  ['time/', ['time/']],
  ['redis/', ['redis/', 'time/', 'errors.ts', 'type logger.ts']],
  ['log/', ['log/', 'errors.ts', 'redis/redis-link.ts', 'type logger.ts']],
  ['hub/', ['hub/', 'time/', 'type log/stream-log.ts', 'errors.ts', 'type logger.ts']],
  // Who may do what. The hub asks through its own port, and knows nothing of tokens.
  [
    'auth/',
    [
      'auth/',
      'type hub/access.ts',
      'type hub/streams.ts',
      'type hub/delivery/subscriber.ts',
      'time/',
      'errors.ts',
      'type logger.ts',
    ],
  ],
  ['archive/', ['archive/', 'log/', 'errors.ts', 'type logger.ts']],
  // A connector is a program beside the hub: it writes into the log, or reads from it.
  [
    'connectors/',
    [
      'connectors/',
      'time/',
      'hub/operations/publisher.ts',
      'log/',
      'config/config.ts',
      'errors.ts',
      'logger.ts',
      'archive/',
      'redis/redis-link.ts',
    ],
  ],
  ['config/', ['config/', 'redis/target.ts', 'hub/streams.ts', 'auth/addresses.ts', 'auth/api-keys.ts']],
  [
    'telemetry/',
    [
      'telemetry/',
      'type auth/gate.ts',
      'type hub/',
      'type redis/redis-link.ts',
      'type transports/',
      'type config/',
      'errors.ts',
      'type logger.ts',
    ],
  ],
  // The one place at which the transports meet: who gets an upgrade.
  [
    'transports/upgrades.ts',
    ['transports/*.ts', 'transports/websocket/', 'hub/', 'errors.ts', 'type logger.ts'],
  ],
  [
    'transports/socketio/',
    ['time/', 'transports/socketio/', 'transports/*.ts', 'type auth/', 'hub/', 'errors.ts', 'type logger.ts'],
  ],
  [
    'transports/websocket/',
    ['transports/websocket/', 'transports/*.ts', 'type auth/', 'hub/', 'errors.ts', 'type logger.ts'],
  ],
  [
    'transports/sse/',
    ['transports/sse/', 'transports/*.ts', 'type auth/', 'hub/', 'errors.ts', 'type logger.ts'],
  ],
  ['transports/', ['transports/*.ts', 'type auth/', 'hub/', 'errors.ts', 'type logger.ts']],
  [
    'http/',
    [
      'http/',
      'auth/revocation-request.ts',
      'auth/tickets.ts',
      'type auth/',
      'mcp/',
      'hub/',
      'errors.ts',
      'type logger.ts',
      'type telemetry/metrics.ts',
      'type transports/',
      'type cluster/',
    ],
  ],
  ['mcp/', ['mcp/', 'hub/', 'time/', 'errors.ts']],
  ['feeds/', ['feeds/', 'hub/', 'errors.ts', 'type logger.ts', 'type cluster/']],
  ['local-cluster/', ['local-cluster/', 'config/config.ts']],
  [
    'cluster/',
    [
      'cluster/',
      'auth/revocations.ts',
      'type auth/',
      'time/',
      'type hub/',
      'redis/redis-link.ts',
      'errors.ts',
      'type logger.ts',
      'type transports/socketio/sessions.ts',
    ],
  ],
  // The composition root knows everything but what starts it.
  [
    'node/',
    [
      'node/',
      'archive/',
      'auth/',
      'cluster/',
      'feeds/',
      'http/',
      'hub/',
      'log/',
      'transports/',
      'config/',
      'errors.ts',
      'logger.ts',
      'telemetry/',
      'redis/redis-link.ts',
      'version.ts',
    ],
  ],
  // The command line is a client of the hub, and uses the client library as any other would.
  ['cli/', ['cli/', 'auth/', 'main.ts', 'local-cluster/', 'config/config.ts', 'type cluster/', 'version.ts']],
  ['main.ts', ['node/start-node.ts', 'config/config.ts', 'logger.ts', 'version.ts']],
];

/** Where each package may be imported. */
const HOMES: Readonly<Record<string, readonly string[]>> = {
  commander: ['cli/'],
  redis: ['redis/'],
  ws: ['transports/websocket/'],
  'socket.io': ['transports/socketio/'],
  'socket.io-adapter': ['transports/socketio/'],
  '@socket.io/redis-adapter': ['transports/socketio/'],
  'socket.io-msgpack-parser': ['transports/socketio/'],
  express: ['http/'],
  helmet: ['http/'],
  'prom-client': ['telemetry/metrics.ts', 'connectors/metrics.ts'],
  '@modelcontextprotocol/sdk': ['mcp/', 'http/mcp.ts'],
  'neo4j-driver': ['connectors/neo4j/'],
  pg: ['archive/postgres.ts'],
  'pg-copy-streams': ['archive/postgres.ts'],
  'pg-logical-replication': ['connectors/postgres/'],
  pino: ['logger.ts'],
  '@opentelemetry/api': ['telemetry/tracing.ts'],
  '@opentelemetry/exporter-trace-otlp-http': ['telemetry/tracing.ts'],
  '@opentelemetry/resources': ['telemetry/tracing.ts'],
  '@opentelemetry/sdk-trace-base': ['telemetry/tracing.ts'],
  'notepack.io': ['log/payload.ts'],
  zod: ['http/api-documents/', 'config/', 'connectors/config.ts', 'mcp/', 'auth/', 'hub/operations/'],
  'lru-cache': ['auth/', 'hub/recovery/log-pages.ts', 'transports/socketio/resume.ts'],
  jose: ['auth/'],
  'rate-limiter-flexible': ['auth/limits.ts'],
  'proxy-addr': ['auth/addresses.ts'],
  cors: ['http/authenticating.ts'],
  'csv-parse': ['feeds/dataset.ts'],
  'vega-datasets': ['feeds/dataset.ts'],
  '@axiom-streaming/protocol': [''],
  '@axiom-streaming/client': ['cli/'],
};

function fits(path: string, pattern: string): boolean {
  if (pattern.endsWith('/*.ts')) return posix.dirname(path) === pattern.slice(0, -'/*.ts'.length);
  return pattern === '' || pattern.endsWith('/') ? path.startsWith(pattern) : path === pattern;
}

function isAllowed({ of, typesOnly }: Import, may: readonly string[]): boolean {
  return may.some((rule) =>
    rule.startsWith('type ') ? typesOnly && fits(of, rule.slice('type '.length)) : fits(of, rule),
  );
}

/** Lines `file: what` for everything in the sources that a test finds. */
function findings(find: (source: Source) => readonly string[]): string[] {
  return SOURCES.flatMap((source) => find(source).map((what) => `${source.path}: ${what}`));
}

describe('The house', () => {
  it('has sources, and this spec reads their imports', () => {
    expect(SOURCES.length).to.be.greaterThan(50);
    const node = SOURCES.find(({ path }) => path === 'node/start-node.ts')!;
    expect(node.imports).to.deep.include({ of: 'hub/hub.ts', isPackage: false, typesOnly: false });
    expect(node.imports).to.deep.include({ of: 'config/config.ts', isPackage: false, typesOnly: true });
    const sample = `import type { A } from './a.js';
import {
  type B,
  type C,
} from '../hub/b.js';
import { type D, e } from '@scope/name/deep';
import 'plain';
const x = await import('dynamic');
export * from './barrel.js';
`;
    expect(importsOf('log/x.ts', sample)).to.deep.equal([
      { of: 'log/a.ts', isPackage: false, typesOnly: true },
      { of: 'hub/b.ts', isPackage: false, typesOnly: true },
      { of: '@scope/name', isPackage: true, typesOnly: false },
      { of: 'plain', isPackage: true, typesOnly: false },
      { of: 'log/barrel.ts', isPackage: false, typesOnly: false },
      { of: 'dynamic', isPackage: true, typesOnly: false },
    ]);
  });

  it('lets imports run one way: main, app, http and transports, hub, the port of the log, protocol', () => {
    const wrong = findings(({ path, imports }) => {
      const layer = LAYERS.find(([of]) => fits(path, of));
      if (layer === undefined) return ['belongs to no layer'];
      return imports
        .filter((imported) => !imported.isPackage && !isAllowed(imported, layer[1]))
        .map(({ of, typesOnly }) => `imports ${typesOnly ? 'types of ' : ''}${of}`);
    });
    expect(wrong).to.deep.equal([]);
  });

  it('imports what exists', () => {
    const paths = new Set(SOURCES.map(({ path }) => path));
    const missing = findings(({ imports }) =>
      imports
        .filter(({ of, isPackage }) => !isPackage && !paths.has(of) && !existsSync(`${ROOT}/server/${of}`))
        .map(({ of }) => of),
    );
    expect(missing).to.deep.equal([]);
  });

  it('gives each package one home', () => {
    const homeless = findings(({ path, imports }) =>
      imports
        .filter(({ of, isPackage }) => isPackage && !(HOMES[of] ?? []).some((home) => fits(path, home)))
        .map(({ of }) => `imports ${of}`),
    );
    expect(homeless).to.deep.equal([]);
  });

  it('installs for the server what the server imports, and nothing else', () => {
    const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
    // The page bundles the client; the dataset is found by its files.
    const elsewhere = ['socket.io-client', 'vega-datasets'];
    const imported = new Set(
      SOURCES.flatMap(({ imports }) => imports.filter(({ isPackage }) => isPackage).map(({ of }) => of)),
    );
    expect(Object.keys(dependencies).filter((name) => !elsewhere.includes(name))).to.have.members([
      ...imported,
    ]);
    for (const name of imported) expect(HOMES, name).to.have.property(name);
  });

  it('reads the environment where a program begins, and nowhere else', () => {
    const readers = SOURCES.filter(({ text }) => /\bprocess\.env\b/.test(text)).map(({ path }) => path);
    expect(readers).to.deep.equal([
      'cli/main.ts',
      'cli/token.ts',
      'connectors/run.ts',
      'local-cluster/managed-process.ts',
      'local-cluster/run.ts',
      'main.ts',
    ]);
  });

  it('ends the process where a program begins, and nowhere else', () => {
    const enders = SOURCES.filter(({ text }) => /\bprocess\.(exit|abort)\(/.test(text)).map(
      ({ path }) => path,
    );
    expect(enders).to.deep.equal([
      'cli/main.ts',
      'cli/token.ts',
      'connectors/run.ts',
      'local-cluster/run.ts',
      'main.ts',
    ]);
  });

  it('has no barrel files', () => {
    expect(
      SOURCES.filter(({ path }) => posix.basename(path) === 'index.ts').map(({ path }) => path),
    ).to.deep.equal([]);
    expect(
      findings(({ text }) => text.match(/^export\s+(type\s+)?(\*|\{[^}]*\})\s+from\b.*$/gm) ?? []),
    ).to.deep.equal([]);
  });

  it('exports by name', () => {
    expect(findings(({ text }) => text.match(/^export default\b.*$/gm) ?? [])).to.deep.equal([]);
  });

  it('names files in kebab-case', () => {
    const parts = SOURCES.flatMap(({ path }) => path.replace(/\.ts$/, '').split('/'));
    expect(parts.filter((part) => !/^[a-z0-9]+(-[a-z0-9]+)*$/.test(part))).to.deep.equal([]);
  });

  it('does without "any" and without silenced checks', () => {
    const code = (text: string) => text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
    const uses = findings(({ text }) => code(text).match(/(?<=[:<|&,(]\s*|\bas\s+)any\b(?!\s*[:(])/g) ?? []);
    expect(uses).to.deep.equal([]);
    expect(findings(({ text }) => text.match(/@ts-(ignore|expect-error|nocheck)/g) ?? [])).to.deep.equal([]);
  });

  it('keeps files to one idea: none is longer than 350 lines', () => {
    expect(
      findings(({ text }) => (text.split('\n').length > 350 ? [`${text.split('\n').length} lines`] : [])),
    ).to.deep.equal([]);
  });

  describe('in package.json', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      'dependencies' | 'devDependencies',
      Record<string, string>
    >;

    it('pins exactly the packages whose internals it uses', () => {
      const all: Record<string, string | undefined> = { ...devDependencies, ...dependencies };
      for (const name of [
        'socket.io',
        '@socket.io/redis-adapter',
        'socket.io-adapter',
        'redis',
        'ws',
        'notepack.io',
      ]) {
        expect(all[name], name).to.match(/^\d+\.\d+\.\d+$/);
      }
    });

    it('agrees with the lock file on their versions', () => {
      const { packages } = JSON.parse(read('package-lock.json')) as {
        packages: Record<string, { version?: string }>;
      };
      for (const [name, version] of Object.entries(dependencies)) {
        // What lies in this repository is linked, and has its version in its own folder.
        if (name.startsWith('@axiom-streaming/')) continue;
        expect(packages[`node_modules/${name}`]?.version, name).to.equal(version);
      }
    });
  });

  it('has a lock file that leaves it to each reader from where packages come', () => {
    expect(read('package-lock.json').match(/"resolved": "(?!packages\/).*/g) ?? []).to.deep.equal([]);
  });
});
