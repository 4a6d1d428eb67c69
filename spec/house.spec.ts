/**
 * The habits of the house that no tool checks. Which module may import which, and where each package lives, says
 * `.dependency-cruiser.mjs`; how long files and functions may be, `biome.json`.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const read = (path: string) => readFileSync(`${ROOT}/${path}`, 'utf8');

interface Source {
  /** Path below its folder. */
  readonly path: string;
  readonly text: string;
}

function sourcesOf(folder: string): Source[] {
  return readdirSync(`${ROOT}/${folder}`, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => /\.tsx?$/.test(path))
    .sort()
    .map((path) => ({ path, text: read(`${folder}/${path}`) }));
}

const SOURCES: readonly Source[] = sourcesOf('server');
/** What is run in other people's programs and pages. */
const ELSEWHERE: readonly Source[] = ['packages/protocol/src', 'packages/client/src', 'web/src'].flatMap(
  sourcesOf,
);

/** The packages that a source imports, of types alone too. */
function packagesOf(text: string): string[] {
  const specifiers = [
    ...text.matchAll(/^(?:import|export)\s+(?:[^;'"]*?\sfrom\s+)?['"]([^'"]+)['"]/gm),
    ...text.matchAll(/\bimport\(\s*['"]([^'"]+)['"]/g),
  ].map(([, specifier = '']) => specifier);
  return specifiers
    .filter((specifier) => !/^(\.|node:)/.test(specifier))
    .map((specifier) => specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/'));
}

/** A source without its comments. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
}

/** Lines `file: what` for everything in the sources that a test finds. */
function findings(find: (source: Source) => readonly string[]): string[] {
  return SOURCES.flatMap((source) => find(source).map((what) => `${source.path}: ${what}`));
}

/** The values that a source exports; types are left out. */
function exportedValues(text: string): string[] {
  const declarations =
    /^export\s+(?:async\s+)?(?:abstract\s+)?(?:const|let|function\*?|class|enum)\s+(?:(\w+)|[{[]([^}\]]*)[}\]])/gm;
  return [...text.matchAll(declarations)].flatMap(([, name, list = '']) =>
    name === undefined ? [...list.matchAll(/\w+(?=\s*(?:,|$))/g)].map(([each]) => each) : [name],
  );
}

/** Lines `file: name` for each exported value that no other source imports. @param sources paths from one root */
function unusedExports(sources: readonly Source[]): string[] {
  const imports =
    /^(?:import|export)\s+(?:type\s+)?(?:\*\s+as\s+(\w+)|\{([^}]*)\})\s+from\s+'(\.[^']+)'|\bimport\('(\.[^']+)'\)/gm;
  const byPath = new Map(sources.map((source) => [source.path, source]));
  const used = new Set<string>();
  for (const { path, text } of sources) {
    for (const [, alias, names, from = '', dynamic = from] of text.matchAll(imports)) {
      const target = posix.join(posix.dirname(path), dynamic).replace(/\.js$/, '');
      const source = byPath.get(`${target}.ts`) ?? byPath.get(`${target}.tsx`);
      if (source === undefined) continue;
      const named = names?.split(',').map(
        (name) =>
          name
            .replace(/^\s*type\s/, '')
            .trim()
            .split(' as ')[0],
      );
      const isNamed = (name: string) => {
        if (named !== undefined) return named.includes(name);
        if (alias === undefined) return new RegExp(`\\b${name}\\b`).test(text);
        // A member of the namespace, or the namespace as a whole.
        return new RegExp(`(?<![.'\\w])${alias}(\\.${name}\\b|\\b(?!\\.| from))`).test(text);
      };
      for (const name of exportedValues(source.text).filter(isNamed)) used.add(`${source.path}: ${name}`);
    }
  }
  return sources
    .flatMap(({ path, text }) => exportedValues(text).map((name) => `${path}: ${name}`))
    .filter((finding) => !used.has(finding));
}

describe('The house', () => {
  it('has sources, and this spec reads the packages that they import', () => {
    expect(SOURCES.length).to.be.greaterThan(50);
    const sample = `import type { A } from './a.js';
import {
  type B,
  type C,
} from 'b';
import { type D, e } from '@scope/name/deep';
import 'plain';
import { readFileSync } from 'node:fs';
const x = await import('dynamic');
`;
    expect(packagesOf(sample)).to.deep.equal(['b', '@scope/name', 'plain', 'dynamic']);
  });

  it('installs for the server what the server imports, and nothing else', () => {
    const { dependencies, peerDependencies, peerDependenciesMeta } = JSON.parse(
      read('package.json'),
    ) as Record<'dependencies' | 'peerDependencies', Record<string, string>> & {
      peerDependenciesMeta: Record<string, { optional: boolean }>;
    };
    // The client loads it where the command line uses it.
    const elsewhere = ['socket.io-client'];
    const imported = new Set(SOURCES.flatMap(({ text }) => packagesOf(text)));
    const installed = Object.keys({ ...dependencies, ...peerDependencies });
    expect(installed.filter((name) => !elsewhere.includes(name))).to.have.members([...imported]);
    expect(peerDependenciesMeta, 'peers that nobody has to install').to.deep.equal(
      Object.fromEntries(Object.keys(peerDependencies).map((name) => [name, { optional: true }])),
    );
  });

  /** Sources that name members of `process`, however they are spaced. */
  const naming = (members: string) => {
    const member = new RegExp(String.raw`\bprocess\s*\??\s*\.\s*(${members})\b`);
    return ({ text }: Source) => member.test(code(text));
  };

  it('reads the environment where a program begins, and nowhere else', () => {
    const isReader = naming('env|loadEnvFile');
    expect(ELSEWHERE.filter(isReader)).to.deep.equal([]);
    expect(SOURCES.filter(isReader).map(({ path }) => path)).to.deep.equal([
      'cli/main.ts',
      'connectors/run.ts',
      'local-cluster/managed-process.ts',
      'local-cluster/run.ts',
      'main.ts',
    ]);
  });

  it('ends the process where a program begins, and nowhere else', () => {
    expect(SOURCES.filter(naming('exit|abort|reallyExit')).map(({ path }) => path)).to.deep.equal([
      'cli/main.ts',
      'connectors/run.ts',
      'local-cluster/run.ts',
      'main.ts',
      // What these programs do when they are told to stop and do not.
      'stop-signal.ts',
    ]);
  });

  it('uses "process" under its own name and loads modules by "import", so that the checks see what it uses', () => {
    const hidden =
      /(?:[=(,:]|\breturn)\s*(?:globalThis\s*\.\s*)?process\s*(?:[;,)}]|$)|=>\s*(?:globalThis\s*\.\s*)?process\b(?!\s*\??\.)|\bprocess\s*(?:\?\.\s*)?\[|(?:\bfrom|\bimport|\()\s*['"](?:node:)?process['"]|\bcreateRequire\b|\bgetBuiltinModule\b/m;
    const planted = [
      "process['env']",
      'globalThis.process[`env`]',
      'const { env } = process;',
      'const { exit } = globalThis.process\n',
      "import { env } from 'node:process';",
      "import 'process';",
      "require('node:process')",
      'const p = process;',
      'read(process, 1)',
      '() => process',
      "createRequire(import.meta.url)('express')",
      "process.getBuiltinModule('fs')",
    ];
    expect(planted.filter((text) => !hidden.test(text))).to.deep.equal([]);
    const hiding = [...SOURCES, ...ELSEWHERE].filter(({ text }) => hidden.test(code(text)));
    expect(hiding.map(({ path }) => path)).to.deep.equal([]);
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

  it('exports no value that nobody imports', () => {
    const sample = (path: string, text: string): Source => ({ path, text });
    const lines = [
      sample('a/one.ts', 'export const used = 1;\nexport const idle = 2;\nexport async function asked() {}'),
      sample('a/two.ts', "import { type Other, used as mine } from './one.js';\nexport class Planted {}"),
      sample('b/three.tsx', "import * as one from '../a/one.js';\none.asked();"),
    ];
    expect(unusedExports(lines)).to.deep.equal(['a/one.ts: idle', 'a/two.ts: Planted']);

    const all = ['server', 'spec', 'web', 'bench', 'monitoring', 'packages/client/src'].flatMap((folder) =>
      sourcesOf(folder).map(({ path, text }) => ({ path: `${folder}/${path}`, text })),
    );
    // What a package exports is for others.
    const isEntry = (finding: string) => finding.startsWith('packages/client/src/client.ts: ');
    expect(unusedExports(all).filter((finding) => !isEntry(finding))).to.deep.equal([]);
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

  describe('in package.json', () => {
    const { dependencies, devDependencies, peerDependencies } = JSON.parse(read('package.json')) as Record<
      'dependencies' | 'devDependencies' | 'peerDependencies',
      Record<string, string>
    >;

    it('pins exactly the packages whose internals it uses', () => {
      const all: Record<string, string | undefined> = { ...devDependencies, ...dependencies };
      for (const name of [
        'socket.io',
        '@socket.io/redis-adapter',
        'socket.io-adapter',
        '@redis/client',
        'ws',
        'notepack.io',
      ]) {
        expect(all[name], name).to.match(/^\d+\.\d+\.\d+$/);
      }
    });

    it('has the optional packages of the hub installed for the repository and the image, in the versions that it tells', () => {
      const image = JSON.parse(read('docker/package.json')) as { dependencies: Record<string, string> };
      const told = Object.entries(peerDependencies).map(([name, range]) => [name, range.replace(/^\^/, '')]);
      expect(image.dependencies).to.deep.equal(Object.fromEntries(told));
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
    expect(read('package-lock.json').match(/"resolved": "(?!packages\/|docker").*/g) ?? []).to.deep.equal([]);
  });
});
