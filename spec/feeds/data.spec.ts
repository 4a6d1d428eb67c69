import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { expect } from 'chai';

const OURS = new URL('../../../server/feeds/data/', import.meta.url);
const SHIPPED = new URL('../../server/feeds/data/', import.meta.url);

/** A file of the package: it exports its entry only, and the rest lies beside that. */
const theirs = (path: string): Buffer =>
  readFileSync(new URL(`../${path}`, `file://${createRequire(import.meta.url).resolve('vega-datasets')}`));

describe('The figures of the demo', () => {
  const files = readdirSync(OURS).filter((file) => file.endsWith('.csv'));

  it('are those of vega-datasets, unchanged, and lie beside the compiled feeds', () => {
    expect(files.sort()).to.deep.equal(['sp500-2000.csv', 'stocks.csv']);
    for (const file of files) {
      expect(readFileSync(new URL(file, OURS)).equals(theirs(`data/${file}`)), file).to.equal(true);
      expect(readFileSync(new URL(file, SHIPPED)).equals(theirs(`data/${file}`)), `${file} in dist`).to.equal(
        true,
      );
    }
  });

  it('name each file, its source with the version that was read, and its licence beside them', () => {
    const { version } = JSON.parse(String(theirs('package.json'))) as { version: string };
    const text = readFileSync(new URL('SOURCES.txt', SHIPPED), 'utf8');
    for (const word of [...files, `vega-datasets ${version}`, 'BSD-3-Clause']) expect(text).to.contain(word);
  });
});
