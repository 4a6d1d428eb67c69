import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const CLIENT = fileURLToPath(new URL('../../../packages/client', import.meta.url));
/** An `import()` of a package by its name, with what stands before it. */
const BY_NAME = /(\w+ \{)?\s*(?:\(\{ \w+ \} = )?await import\(\s*['"]([^'".][^'"]*)['"]/g;

describe('An optional peer of the client library', () => {
  // webpack and esbuild make an error of a package that they do not find, unless the import is in a `try`.
  it('is imported where a bundler lets it be missing', () => {
    const files = readdirSync(`${CLIENT}/dist`).filter((file) => file.endsWith('.js'));
    const imports = files.flatMap((file) => {
      const code = readFileSync(`${CLIENT}/dist/${file}`, 'utf8').replace(/^\s*\/\/.*\n/gm, '');
      return [...code.matchAll(BY_NAME)].map(([, before = '', name]) => [name, before]);
    });
    expect(imports).to.deep.equal([['socket.io-client', 'try {']]);
  });
});
