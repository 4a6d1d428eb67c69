import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  cpSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The folders that `npm run check:layers` reads. */
const { scripts } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  scripts: Record<string, string>;
};
const FOLDERS = scripts['check:layers']!.split(' ').slice(3);

interface Planted {
  readonly what: string;
  /** Lines at the end of files, by their path; a file that is not there is made. */
  readonly lines: Readonly<Record<string, string>>;
  /** The rule that finds it, and at which file. */
  readonly found: readonly string[];
}

const PLANTED: readonly Planted[] = [
  {
    what: 'a circle of values',
    lines: {
      'server/time/planted-a.ts': "import { b } from './planted-b.js';\nexport const a = () => b();",
      'server/time/planted-b.ts': "import { a } from './planted-a.js';\nexport const b = () => a();",
    },
    found: ['circle server/time/planted-a.ts'],
  },
  {
    what: 'a circle of types alone',
    lines: {
      'packages/client/src/planted-a.ts': "import type { B } from './planted-b.js';\nexport type A = B[];",
      'packages/client/src/planted-b.ts': "import type { A } from './planted-a.js';\nexport type B = A[];",
    },
    found: ['circle packages/client/src/planted-a.ts'],
  },
  {
    what: 'a circle of types through three rooms',
    lines: {
      'server/time/planted-c.ts': "import type { D } from '../log/planted-d.js';\nexport type C = D[];",
      'server/log/planted-d.ts': "import type { E } from '../archive/planted-e.js';\nexport type D = E[];",
      'server/archive/planted-e.ts': "import type { C } from '../time/planted-c.js';\nexport type E = C[];",
    },
    found: [
      'circle server/archive/planted-e.ts',
      'room: server/time/ server/time/planted-c.ts',
      'room: server/log/ server/log/planted-d.ts',
      'room: server/archive/ server/archive/planted-e.ts',
    ],
  },
  {
    what: 'an import that is made as it is called, and a type that is named by its module',
    lines: {
      'server/hub/streams.ts': "export const planted = () => import('../redis/redis-link.js');",
      'server/hub/access.ts': "export type Planted = typeof import('../redis/redis-link.js');",
    },
    found: [
      'room: server/hub/streams.ts server/hub/streams.ts',
      'room: server/hub/access.ts server/hub/access.ts',
    ],
  },
  {
    what: 'what is exported from a higher room',
    lines: { 'server/log/payload.ts': "export { Hub as Planted } from '../hub/hub.js';" },
    found: ['room: server/log/ server/log/payload.ts'],
  },
  {
    what: 'a file of data, and a module of a spec',
    lines: {
      'server/time/abort.ts': "import planted from '../../package.json' with { type: 'json' };",
      'server/archive/archive-reader.ts': "import { until as planted } from '../../spec/support/wait.js';",
    },
    found: ['part: server/ server/time/abort.ts', 'part: server/ server/archive/archive-reader.ts'],
  },
  {
    what: 'an import of types against the layers',
    lines: { 'server/hub/hub.ts': "import type { RedisLink as Planted } from '../redis/redis-link.js';" },
    found: ['room: server/hub/hub.ts server/hub/hub.ts'],
  },
  {
    what: 'an import from a higher room of the hub',
    lines: {
      'server/hub/tail/recent-window.ts': "import { Encodings as Planted } from '../delivery/encoding.js';",
    },
    found: ['room: server/hub/tail/ server/hub/tail/recent-window.ts'],
  },
  {
    what: 'a value from where types alone may be imported',
    lines: { 'server/telemetry/sources.ts': "import { Hub as Planted } from '../hub/hub.js';" },
    found: ['room: server/telemetry/ (types only) server/telemetry/sources.ts'],
  },
  {
    what: 'one transport that imports another',
    lines: {
      'server/transports/sse/sse-sink.ts':
        "import { SocketSink as Planted } from '../socketio/socket-sink.js';",
    },
    found: ['room: server/transports/sse/ server/transports/sse/sse-sink.ts'],
  },
  {
    what: 'a package that imports the application',
    lines: {
      'packages/protocol/src/topic.ts': "import { HubError as Planted } from '../../../server/errors.js';",
    },
    found: ['part: packages/protocol/ packages/protocol/src/topic.ts'],
  },
  {
    what: 'a package of the repository that is imported by its path',
    lines: {
      'server/hub/tail/same-log.ts': "import '../../../packages/protocol/src/topic.js';",
      'web/src/live/fields.ts':
        "import type { Topic as Planted } from '../../../packages/protocol/src/topic.js';",
    },
    found: ['by name server/hub/tail/same-log.ts', 'by name web/src/live/fields.ts'],
  },
  {
    what: 'a package away from its home',
    lines: { 'server/feeds/feed.ts': "import planted from 'express';" },
    found: ['home: express server/feeds/feed.ts'],
  },
  {
    what: 'a package without a home',
    lines: { 'server/feeds/timing.ts': "import * as planted from 'chai';" },
    found: ['no home server/feeds/timing.ts'],
  },
  {
    what: 'a module without a room',
    lines: { 'server/planted.ts': "import './errors.js';" },
    found: ['no room server/planted.ts'],
  },
  {
    what: 'a module that does not exist',
    lines: { 'web/src/main.tsx': "import './planted.js';" },
    found: ['missing web/src/main.tsx'],
  },
];

describe('The check of the layers', function () {
  this.timeout(120_000);
  let copy: string;
  let found: string[];

  before(() => {
    copy = mkdtempSync(join(tmpdir(), 'axiom-spec-layers-'));
    const isSource = (path: string) => !/(^|\/)(node_modules|dist)(\/|$)/.test(relative(ROOT, path));
    for (const path of [...FOLDERS, '.dependency-cruiser.mjs', 'tsconfig.layers.json', 'package.json']) {
      cpSync(join(ROOT, path), join(copy, path), { recursive: true, filter: isSource });
    }
    symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
    for (const { lines } of PLANTED) {
      for (const [path, line] of Object.entries(lines)) appendFileSync(join(copy, path), `${line}\n`);
    }
    found = violations(copy);
  });

  after(() => rmSync(copy, { recursive: true, force: true }));

  for (const planted of PLANTED) {
    it(`finds ${planted.what}`, () => {
      expect(found).to.include.members([...planted.found]);
    });
  }

  it('finds nothing else', () => {
    expect(found).to.have.members(PLANTED.flatMap((planted) => planted.found));
  });
});

/** What the check finds, each as its rule and the file. */
function violations(dir: string): string[] {
  const cli = join(ROOT, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const file = join(dir, 'found.json');
  const args = [cli, '--config', '.dependency-cruiser.mjs', '--output-type', 'json', '--output-to', file];
  writeFileSync(file, '');
  const { stderr } = spawnSync(process.execPath, [...args, ...FOLDERS], { cwd: dir, encoding: 'utf8' });
  const text = readFileSync(file, 'utf8');
  if (text === '') throw new Error(`the check did not run: ${stderr}`);
  const { summary } = JSON.parse(text) as {
    summary: { violations: { from: string; rule: { name: string } }[] };
  };
  return summary.violations.map(({ from, rule }) => `${rule.name} ${from}`);
}
