import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { codeBlockWith } from './code-blocks.js';

const DIST = fileURLToPath(new URL('../..', import.meta.url));
const TSC = join(DIST, '../node_modules/@typescript/native/bin/tsc');
/** What the block takes for granted; the package's types need neither these nor a library that has them. */
const SURROUNDINGS = `
declare const socket: { onmessage: (event: { data: string }) => void };
declare const console: Record<'log' | 'warn' | 'error', (...values: unknown[]) => void>;
`;

describe('The types of the protocol package', () => {
  it('are narrowed as its page does it, without @types/node and a DOM library', () => {
    // Inside of the project, where packages are found.
    const dir = mkdtempSync(join(DIST, 'spec-protocol-'));
    try {
      const file = join(dir, 'frames.mts');
      writeFileSync(file, codeBlockWith('packages/protocol/README.md', 'ServerFrame') + SURROUNDINGS);
      const options = [
        '--strict',
        '--noEmit',
        '--ignoreConfig',
        '--target',
        'es2022',
        '--lib',
        'es2022',
        '--types',
        '',
      ];
      const { stdout, status } = spawnSync(
        process.execPath,
        [TSC, ...options, '--module', 'nodenext', file],
        { encoding: 'utf8' },
      );
      expect(stdout).to.equal('');
      expect(status).to.equal(0);
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});
