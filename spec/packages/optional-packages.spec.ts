import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadOptional } from '../../server/optional-packages.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Imports a package that is not there, as a module does that needs it. */
const missing = (name: string) => () => import(name) as Promise<unknown>;

describe('A package that is installed where it is wanted', () => {
  it('is named with its version and the command if it is missing', async () => {
    const error = await loadOptional('ARCHIVE_URL', ['nobody-has-this'], missing('nobody-has-this')).catch(
      (thrown: unknown) => thrown,
    );
    expect((error as Error).message).to.match(
      /^ARCHIVE_URL needs the package nobody-has-this: npm install nobody-has-this@\S+$/,
    );
  });

  it('is distinguished from one that another package lacks', async () => {
    const error = await loadOptional('ARCHIVE_URL', ['pg'], missing('nobody-has-this')).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).to.have.property('code', 'ERR_MODULE_NOT_FOUND');
  });

  it('is imported by nothing that a hub without it loads', () => {
    const { peerDependencies } = JSON.parse(readFileSync(`${ROOT}/package.json`, 'utf8')) as {
      peerDependencies: Record<string, string>;
    };
    const loaded = staticImports(`${ROOT}/server/main.ts`).concat(
      staticImports(`${ROOT}/server/cli/main.ts`),
      staticImports(`${ROOT}/server/connectors/run.ts`),
    );
    expect(
      loaded.filter((name) => Object.keys(peerDependencies).some((peer) => name.startsWith(peer))),
    ).to.deep.equal([]);
    expect(loaded, 'what it loads').to.include.members(['express', '@redis/client', 'prom-client']);
  });
});

/** The packages that a module and those it imports load at once. */
function staticImports(entry: string): string[] {
  const packages = new Set<string>();
  const seen = new Set<string>();
  const wanted = [entry];
  for (let file = wanted.pop(); file !== undefined; file = wanted.pop()) {
    if (seen.has(file)) continue;
    seen.add(file);
    const text = readFileSync(file, 'utf8');
    for (const [, clause = '', specifier = ''] of text.matchAll(/^import\s([^;]*?)\sfrom '([^']+)'/gm)) {
      if (clause.startsWith('type ')) continue;
      if (specifier.startsWith('.')) {
        wanted.push(fileURLToPath(new URL(specifier.replace(/\.js$/, '.ts'), `file://${file}`)));
      } else packages.add(specifier);
    }
  }
  return [...packages];
}
