/** The programs of the page about Socket.IO clients are those that `spec/wild` runs. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { CATALOGUE } from '../wild/catalogue.js';
import { codeBlocksOf } from './code-blocks.js';

const PAGE = 'docs/integrations/socketio-clients.md';
const CLIENTS = new URL('../../../spec/wild/clients/', import.meta.url);
const FILES: Readonly<Record<string, string>> = {
  'SocketIo.java': 'java/SocketIo.java',
  'socketio.rs': 'rust/src/socketio.rs',
  'main.go': 'go/socketio/main.go',
  'sio_async.py': 'python/sio_async.py',
  'sio_sync.py': 'python/sio_sync.py',
};

describe(PAGE, () => {
  it('has each program as it is run', () => {
    const named = codeBlocksOf(PAGE).filter(({ file }) => file !== undefined);
    expect(named.map(({ file }) => file)).to.have.members(Object.keys(FILES));
    for (const { file, text } of named)
      expect(text, file).to.equal(readFileSync(new URL(FILES[file!]!, CLIENTS), 'utf8'));
  });

  it('names the versions that are run', () => {
    const page = readFileSync(fileURLToPath(new URL(`../../../${PAGE}`, import.meta.url)), 'utf8');
    const tried = CATALOGUE.filter(({ transport }) => transport === 'Socket.IO').map(
      ({ name }) => / ([0-9.]+)/.exec(name)![1]!,
    );
    for (const version of tried) expect(page).to.include(version);
  });
});
