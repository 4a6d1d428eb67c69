import { gzipSync } from 'node:zlib';
import { expect } from 'chai';
import { minifyClient } from './bundle.js';

const MAX_BYTES = 6 * 1024;

describe('The client library, minified and compressed', () => {
  it('has at most 6 KiB without socket.io-client', async () => {
    const code = await minifyClient();
    const { length } = gzipSync(code, { level: 9 });
    expect(length, `${length} bytes`).to.be.within(1_000, MAX_BYTES);
  });
});
