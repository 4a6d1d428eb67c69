/** The configurations of docs/PROXIES.md are the files that `npm run wild` starts the proxies with. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { parse } from 'yaml';
import { codeBlocksOf } from './code-blocks.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const FOLDER = join(ROOT, 'spec/wild/proxies');
const BLOCKS = codeBlocksOf('docs/PROXIES.md');

describe('docs/PROXIES.md', () => {
  for (const file of readdirSync(FOLDER)) {
    it(`shows ${file} as it is run`, () => {
      const shown = BLOCKS.find((block) => block.file === file)?.text;
      // A proxy sends the file of an answer as it stands, with the line ends of HTTP.
      const run = readFileSync(join(FOLDER, file), 'utf8').replaceAll('\r\n', '\n');
      expect(shown?.trimEnd()).to.equal(run.trimEnd());
    });
  }

  it('has YAML that can be read, also where it is not run', () => {
    const blocks = BLOCKS.filter(({ language }) => language === 'yaml');
    expect(blocks.length).to.be.greaterThan(3);
    for (const { text } of blocks)
      expect(parse(text.replaceAll(/\$\{[A-Z_]+\}/g, '1')), text).to.be.an('object');
  });

  it('is where the refusal of an unknown session, the README and the operators are sent', () => {
    for (const page of ['README.md', 'docs/OPERATIONS.md', 'docs/CLIENTS.md'])
      expect(readFileSync(join(ROOT, page), 'utf8'), page).to.match(/\]\((docs\/)?PROXIES\.md/);
  });
});
