/**
 * Which module may import which: the plan of the house as a check. `npm run check:layers` reads every import of the
 * sources, those of types included, and fails on an arrow that is not planned, on a circle, and on a package that is
 * used outside its home. `spec/layers.spec.ts` plants one of each and sees it found.
 *
 * The packages of this repository are read from their sources (`tsconfig.layers.json`), so nothing needs to be built.
 */

/**
 * What the modules below a path of `server/` may import from there: the first path that fits a module decides.
 * `x/` stands for everything below a folder, `x/*.ts` for the files that lie in it, `type …` for imports of types
 * alone.
 */
const ROOMS = [
  ['errors.ts', []],
  ['tally.ts', []],
  ['manifest.ts', []],
  ['optional-packages.ts', ['manifest.ts']],
  ['logger.ts', []],
  ['stop-signal.ts', ['type logger.ts']],
  ['time/', ['time/']],
  ['redis/', ['redis/', 'time/', 'errors.ts', 'type logger.ts']],
  ['log/', ['log/', 'time/', 'errors.ts', 'tally.ts', 'redis/redis-link.ts', 'type logger.ts']],
  // Inside the hub arrows run one way: operations, hub, recovery, delivery, queues, tail. No room of it sees a
  // transport.
  ['hub/counters.ts', []],
  ['hub/access.ts', ['errors.ts']],
  ['hub/streams.ts', ['type hub/access.ts', 'type log/stream-log.ts']],
  [
    'hub/tail/',
    ['hub/tail/', 'hub/counters.ts', 'time/', 'type log/stream-log.ts', 'errors.ts', 'type logger.ts'],
  ],
  ['hub/queues/', ['hub/queues/', 'hub/tail/', 'type time/']],
  [
    'hub/delivery/',
    [
      ...['hub/delivery/', 'hub/queues/', 'hub/tail/', 'hub/counters.ts', 'hub/access.ts'],
      ...['type time/', 'type logger.ts'],
    ],
  ],
  [
    'hub/recovery/',
    [
      'hub/recovery/',
      'hub/delivery/',
      'hub/tail/',
      'hub/counters.ts',
      'type hub/access.ts',
      'type time/',
      'type log/stream-log.ts',
    ],
  ],
  ['hub/tracing.ts', ['type hub/delivery/', 'type hub/tail/']],
  [
    'hub/hub.ts',
    [
      ...['hub/recovery/', 'hub/delivery/', 'hub/queues/', 'hub/tail/', 'hub/*.ts', 'time/', 'errors.ts'],
      ...['type log/stream-log.ts', 'type logger.ts'],
    ],
  ],
  [
    'hub/operations/',
    ['hub/', 'time/', 'type log/stream-log.ts', 'log/append-refusals.ts', 'errors.ts', 'type logger.ts'],
  ],
  // Who may do what. The hub asks through its own port, and knows nothing of tokens.
  [
    'auth/',
    [
      ...['auth/', 'time/', 'errors.ts', 'tally.ts', 'type logger.ts'],
      ...['type hub/access.ts', 'type hub/streams.ts', 'type hub/delivery/subscriber.ts'],
    ],
  ],
  ['postgres/', ['postgres/', 'type logger.ts']],
  ['archive/', ['archive/', 'postgres/', 'log/', 'errors.ts', 'type logger.ts']],
  // A connector is a program beside the hub: it writes into the log, or reads from it.
  [
    'connectors/',
    [
      ...['connectors/', 'archive/', 'postgres/', 'log/', 'redis/redis-link.ts'],
      'hub/operations/publisher.ts',
      ...['config/', 'time/', 'errors.ts', 'optional-packages.ts', 'logger.ts', 'stop-signal.ts'],
    ],
  ],
  // Groups of the configuration are what the modules take, so it knows the types of their options.
  [
    'config/',
    [
      ...['config/', 'redis/target.ts', 'hub/streams.ts', 'auth/addresses.ts', 'auth/api-keys.ts'],
      ...['type hub/hub.ts', 'type auth/gate.ts', 'type auth/verifier.ts'],
    ],
  ],
  [
    'telemetry/',
    [
      ...['telemetry/', 'errors.ts', 'type logger.ts', 'type config/', 'type auth/gate.ts', 'type hub/'],
      ...['type redis/redis-link.ts', 'type transports/'],
    ],
  ],
  // The one place at which the transports meet: who gets an upgrade.
  [
    'transports/upgrades.ts',
    ['transports/*.ts', 'transports/websocket/', 'hub/', 'errors.ts', 'type logger.ts'],
  ],
  ...['socketio', 'websocket', 'sse'].map((transport) => [
    `transports/${transport}/`,
    [
      ...[`transports/${transport}/`, 'transports/*.ts', 'hub/', 'time/', 'errors.ts'],
      ...['type auth/', 'type logger.ts'],
    ],
  ]),
  ['transports/', ['transports/*.ts', 'hub/', 'errors.ts', 'type auth/', 'type logger.ts']],
  [
    'http/',
    [
      ...[
        'http/',
        'mcp/',
        'hub/',
        'transports/problem.ts',
        'optional-packages.ts',
        'auth/revocation-request.ts',
        'errors.ts',
        'tally.ts',
      ],
      ...['type auth/', 'type cluster/', 'type telemetry/metrics.ts', 'type transports/', 'type logger.ts'],
    ],
  ],
  ['mcp/', ['mcp/', 'hub/', 'time/', 'errors.ts', 'tally.ts']],
  ['feeds/', ['feeds/', 'hub/', 'errors.ts', 'type cluster/', 'type logger.ts']],
  ['local-cluster/', ['local-cluster/', 'config/config.ts', 'stop-signal.ts']],
  [
    'cluster/',
    [
      ...['cluster/', 'redis/redis-link.ts', 'time/', 'errors.ts', 'auth/listed.ts', 'type auth/'],
      ...['type hub/', 'type transports/socketio/sessions.ts', 'type transports/sse/subscriptions.ts'],
      'type logger.ts',
    ],
  ],
  // The composition root knows everything but what starts it.
  [
    'node/',
    [
      ...['node/', 'archive/', 'auth/', 'cluster/', 'feeds/', 'http/', 'hub/', 'log/', 'telemetry/'],
      ...['transports/', 'redis/', 'errors.ts', 'tally.ts', 'logger.ts', 'manifest.ts', 'type config/'],
      ...['optional-packages.ts', 'time/'],
    ],
  ],
  // The command line is a client of the hub, and uses the client library as any other would.
  [
    'cli/',
    [
      'cli/',
      'auth/',
      'local-cluster/',
      'config/',
      'redis/',
      'logger.ts',
      'main.ts',
      'manifest.ts',
      'type cluster/',
    ],
  ],
  [
    'main.ts',
    [
      ...['node/start-node.ts', 'node/watchdog.ts', 'config/config.ts', 'logger.ts', 'manifest.ts'],
      'stop-signal.ts',
    ],
  ],
];

/** Where below `server/` each package may be imported. */
const HOMES = {
  '@axiom-streaming/client': ['cli/'],
  '@axiom-streaming/protocol': [''],
  '@modelcontextprotocol/sdk': ['mcp/'],
  '@opentelemetry/api': ['telemetry/tracing.ts'],
  '@opentelemetry/exporter-trace-otlp-http': ['telemetry/tracing.ts'],
  '@opentelemetry/resources': ['telemetry/tracing.ts'],
  '@opentelemetry/sdk-trace-base': ['telemetry/tracing.ts'],
  '@redis/client': ['redis/'],
  '@socket.io/redis-adapter': ['transports/socketio/'],
  commander: ['cli/'],
  cors: ['http/authenticating.ts'],
  express: ['http/'],
  helmet: ['http/'],
  jose: ['auth/'],
  'lru-cache': [
    'auth/',
    'hub/recovery/log-pages.ts',
    'transports/socketio/resume.ts',
    'transports/sse/subscriptions.ts',
  ],
  'neo4j-driver': ['connectors/neo4j/'],
  'notepack.io': ['log/payload.ts'],
  pg: ['postgres/connection.ts'],
  'pg-copy-streams': ['archive/archive-tables.ts'],
  'pg-logical-replication': ['connectors/postgres/'],
  pino: ['logger.ts'],
  'prom-client': ['telemetry/metrics.ts', 'connectors/metrics.ts'],
  'proxy-addr': ['auth/addresses.ts'],
  'rate-limiter-flexible': ['auth/limits.ts'],
  'socket.io': ['transports/socketio/'],
  'socket.io-adapter': ['transports/socketio/'],
  'socket.io-msgpack-parser': ['transports/socketio/'],
  ws: ['transports/websocket/'],
  zod: ['http/api-documents/', 'config/', 'connectors/config.ts', 'mcp/', 'auth/', 'hub/operations/'],
};

/** What else may import what. `npm` stands for packages that are not of this repository. */
const PARTS = [
  ['packages/protocol/', ['packages/protocol/']],
  ['packages/client/', ['packages/client/', 'packages/protocol/', 'npm socket.io-client']],
  ['web/src/', ['web/src/', 'packages/', 'npm']],
  ['server/', ['server/', 'packages/', 'npm']],
  ['monitoring/', ['monitoring/', 'server/telemetry/catalogue.ts', 'npm']],
  ['bench/', ['bench/', 'server/', 'packages/', 'spec/support/', 'npm']],
];

/** @returns a regular expression for what a path of the tables stands for */
function pattern(path, below = '') {
  const escaped = (text) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
  if (path === 'npm') return '(^|/)node_modules/';
  if (path.startsWith('npm ')) return packagePattern(path.slice('npm '.length));
  if (path.endsWith('/*.ts')) return `^${escaped(below + path.slice(0, -'*.ts'.length))}[^/]+\\.ts$`;
  const whole = path === '' || path.endsWith('/') ? '' : '$';
  return `^${escaped(below + path)}${whole}`;
}

function packagePattern(name) {
  const local = /^@axiom-streaming\/(.+)$/.exec(name)?.[1];
  return local === undefined
    ? `(^|/)node_modules/(@types/)?${name.replaceAll('.', '\\.')}/`
    : `^packages/${local}/`;
}

/** Arrows from each path of a table to what is not named for it. */
function arrows(table, below, kind) {
  return table.flatMap(([of, may], at) => {
    const from = {
      path: pattern(of, below),
      pathNot: table.slice(0, at).map(([earlier]) => pattern(earlier, below)),
    };
    const values = may.filter((path) => !path.startsWith('type ')).map((path) => pattern(path, below));
    const types = may
      .filter((path) => path.startsWith('type '))
      .map((path) => pattern(path.slice('type '.length), below));
    const name = `${kind}: ${below}${of}`;
    const scope = below === '' ? {} : { path: `^${below}` };
    return [
      {
        name,
        comment: 'the table of this file does not plan it',
        severity: 'error',
        from,
        to: {
          ...scope,
          pathNot: [...values, ...types],
          dependencyTypesNot: ['core'],
          couldNotResolve: false,
        },
      },
      ...(types.length === 0
        ? []
        : [
            {
              name: `${name} (types only)`,
              comment: 'its types may be imported, with `import type`',
              severity: 'error',
              from,
              to: { path: types, pathNot: values, dependencyTypesNot: ['type-only'] },
            },
          ]),
    ];
  });
}

const homes = Object.entries(HOMES).map(([name, paths]) => ({
  name: `home: ${name}`,
  comment: 'each package has one home',
  severity: 'error',
  from: { path: '^server/', pathNot: paths.map((path) => pattern(path, 'server/')) },
  to: { path: packagePattern(name) },
}));

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'circle',
      comment: 'modules that import one another can be neither read nor changed alone',
      severity: 'error',
      from: {},
      to: { circular: true },
    },
    {
      name: 'missing',
      comment: 'it imports what does not exist',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no room',
      comment: 'say in the table of this file what it may import',
      severity: 'error',
      from: { path: '^server/', pathNot: ROOMS.map(([of]) => pattern(of, 'server/')) },
      to: {},
    },
    {
      name: 'no home',
      comment: 'say in the table of this file where the package may be imported',
      severity: 'error',
      from: { path: '^server/' },
      to: { path: pattern('npm'), pathNot: Object.keys(HOMES).map(packagePattern) },
    },
    {
      name: 'by name',
      comment:
        'a package of this repository is imported by its name: its sources are not where a program looks for them',
      severity: 'error',
      from: { path: '^(?!packages/)' },
      to: { path: '^packages/[^/]+/src/', dependencyTypesNot: ['aliased'] },
    },
    ...arrows(PARTS, '', 'part'),
    ...arrows(ROOMS, 'server/', 'room'),
    ...homes,
  ],
  options: {
    // Imports of types are arrows too: they say what a module must know of.
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.layers.json' },
    doNotFollow: { path: 'node_modules' },
    // The clients from outside import packages that are not of this repository.
    exclude: { path: '^(dist|packages/[^/]+/dist|spec/wild/clients)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
      extensions: ['.ts', '.tsx', '.cts', '.js', '.d.ts'],
    },
  },
};
