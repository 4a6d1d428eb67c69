import { existsSync, readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { ALONE, GROWING, LAYERS, LONGEST, layerOf, selected, specFiles } from './layers.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const pathsOf = (files: readonly { readonly path: string }[]) => files.map(({ path }) => path).sort();

/** What starts a program, a node or a browser, or talks to Redis: nothing for the unit layer. */
const STARTERS = [
  'server/local-cluster/managed-process.ts',
  'server/node/start-node.ts',
  'server/redis/redis-link.ts',
  'spec/support/chromium.ts',
];

/** The files of this repository that a module reaches, itself included; imports of types alone reach nothing. */
function reachedFrom(path: string, reached = new Set<string>()): Set<string> {
  if (reached.has(path) || !existsSync(`${ROOT}/${path}`)) return reached;
  reached.add(path);
  const imports = readFileSync(`${ROOT}/${path}`, 'utf8').matchAll(
    /^(?:import|export)\s+(?!type\b)(?:[^;'"]*?\sfrom\s+)?['"](\.[^'"]+)['"]/gm,
  );
  for (const [, specifier = ''] of imports) {
    reachedFrom(posix.join(posix.dirname(path), specifier).replace(/\.js$/, '.ts'), reached);
  }
  return reached;
}

describe('The layers of the specs', () => {
  const files = specFiles();

  it('leave out no file: what a quick run does not run, the rest does, and both together are all', () => {
    expect(files.length).to.be.greaterThan(100);
    const [unit, quick, rest, full] = (['unit', 'quick', 'rest', 'full'] as const).map((selection) =>
      pathsOf(selected(selection)),
    ) as [string[], string[], string[], string[]];
    expect(quick).to.include.members(unit);
    expect(full).to.deep.equal(pathsOf(files));
    expect([...new Set([...quick, ...rest])].sort()).to.deep.equal(full);
    expect(quick.filter((path) => rest.includes(path))).to.deep.equal(
      [...GROWING].filter((path) => layerOf(path) !== 'full').sort(),
    );
  });

  it('take a file that nobody has named into the quick run', () => {
    expect(layerOf('somewhere/new.spec.ts')).to.equal('quick');
  });

  it('are told of files that exist', () => {
    const paths = pathsOf(files);
    for (const [of] of LAYERS) {
      expect(
        paths.filter((path) => path === of || (of.endsWith('/') && path.startsWith(of))),
        of,
      ).not.to.deep.equal([]);
    }
    for (const path of [...GROWING, ...ALONE, ...LONGEST]) expect(paths).to.include(path);
  });

  it('keep programs and connections out of the unit layer', () => {
    const reaching = selected('unit').flatMap(({ path }) => {
      const reached = reachedFrom(`spec/${path}`);
      return STARTERS.filter((starter) => reached.has(starter)).map(
        (starter) => `${path} reaches ${starter}`,
      );
    });
    expect(reaching).to.deep.equal([]);
    expect(reachedFrom('spec/http/reading.spec.ts')).to.include('server/node/start-node.ts');
  });

  it('are what the commands run, and CI runs them all', () => {
    const { scripts } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as {
      scripts: Record<string, string>;
    };
    expect(scripts.test).to.match(/\brunner\/run\.js quick$/);
    expect(scripts['test:unit']).to.match(/\brunner\/run\.js unit$/);
    expect(scripts['test:all']).to.match(/\brunner\/run\.js full$/);
    const steps = readFileSync(`${ROOT}/.ci/run`, 'utf8').match(/^npm .*$/gm) ?? [];
    expect(steps.map((step) => step.split(' ').slice(0, 3).join(' '))).to.deep.equal([
      'npm ci --no-audit',
      'npm test',
      'npm run test:all',
    ]);
  });
});
