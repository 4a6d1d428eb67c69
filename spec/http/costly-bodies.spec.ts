/** Bodies that are small on the wire and dear to read. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import type { Problem } from '@axiom-streaming/protocol/errors';
import { expect } from 'chai';
import { HubError } from '../../server/errors.js';
import { batchItems } from '../../server/http/batch-items.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { SECRET, token } from '../auth/support.js';
import { call } from '../support/http.js';
import { startTestApp } from './test-app.js';

const MIB = 1024 * 1024;
const LIMITS = { maxItems: 1000, maxItemBytes: 140_000 };

/** Texts of 8 MB. */
const SHAPES: Readonly<Record<string, string>> = {
  'many lines': '1\n'.repeat(4 * MIB - 10),
  'empty lines': '\n'.repeat(8 * MIB - 100),
  'empty lines before a text': `${'\n'.repeat(8 * MIB - 100)}1`,
  'many items': `[${'1,'.repeat(4 * MIB - 10)}1]`,
  'one item of many fields': `[{"topic":"news:a","data":1,${Array.from({ length: 600_000 }, (_, n) => `"f${n}":1`).join(',')}}]`,
  'an array nested without end': '['.repeat(8 * MIB - 100),
  'objects nested without end': '{"a":'.repeat(1_600_000),
  'a text without end': `["${'x'.repeat(8 * MIB - 100)}`,
  'white space': ' '.repeat(8 * MIB - 100),
};

describe('A body that is small on the wire and dear to read', () => {
  let app: RunningNode;
  const tokens: Record<string, string> = {};

  before(async () => {
    app = await startTestApp({ JWT_SECRET: SECRET, PUBLISH_KEY: '' });
    tokens.reader = await token({ sub: 'reader', publish: [] });
    tokens.publisher = await token({ sub: 'publisher', publish: ['news:a'] });
  });

  after(() => app?.stop());

  const send = (path: string, who: string, compressed: Buffer) =>
    call<Problem>('POST', `${app.url}${path}`, compressed, {
      Authorization: `Bearer ${tokens[who]}`,
      'Content-Encoding': 'gzip',
    });

  /** CPU time of the process for some work, ms. */
  async function cpuOf(work: () => Promise<unknown>): Promise<number> {
    const before = process.cpuUsage();
    await work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  }

  it('is not read for a token that may publish nothing, or not there', async () => {
    const text = SHAPES['many lines']!;
    const parsed = await cpuOf(async () => text.split('\n').map((line) => line && JSON.parse(line)));
    const compressed = gzipSync(text);
    const spent = await cpuOf(async () => {
      for (const path of ['/api/messages', '/api/topics/news:a/messages']) {
        const { status, body } = await send(path, 'reader', compressed);
        expect([status, body.code], path).to.deep.equal([403, 'denied']);
      }
      const { status, body } = await send('/api/topics/news:b/messages', 'publisher', compressed);
      expect([status, body.code]).to.deep.equal([403, 'denied']);
    });
    expect(spent).to.be.below(parsed);
  });

  for (const [name, text] of Object.entries(SHAPES)) {
    it(`is answered with what is wrong, and takes no long turn: ${name}`, async () => {
      const turns = new LongestTurn();
      const outcome = await batchItems(Buffer.from(text), LIMITS).then(
        (items) => items.map(({ error }) => error?.code),
        (error: unknown) => (error instanceof HubError ? error.code : error),
      );
      expect(outcome).to.deep.equal(
        {
          'many lines': 'batch_too_large',
          'many items': 'batch_too_large',
          'empty lines before a text': [undefined],
          'one item of many fields': ['too_large'],
          'objects nested without end': ['too_large'],
        }[name] ?? 'bad_json',
      );
      const longest = await turns.end();
      // In proportion to what this machine needs to look at that many bytes once.
      expect(longest).to.be.below(Math.max(50, 10 * lookAt(256 * 1024)));
    });
  }

  it('of a batch at its limits is read in many turns, and its messages keep their order', async () => {
    const data = 'x'.repeat(7_900);
    const items = Array.from({ length: 1000 }, (_, n) => ({ topic: 'news:a', data: { n, data } }));
    const { status, body } = await call<{ results: { ok: boolean; seq: number }[] }>(
      'POST',
      `${app.url}/api/messages`,
      JSON.stringify(items),
      { Authorization: `Bearer ${tokens.publisher}` },
    );
    expect(status).to.equal(200);
    expect(body.results.map(({ seq }) => seq)).to.deep.equal(items.map((_, n) => n + 1));
  });
});

/** CPU time, ms, of looking at each of some bytes. */
function lookAt(bytes: number): number {
  const buffer = Buffer.alloc(bytes, 'x');
  const before = process.cpuUsage();
  let sum = 0;
  for (let round = 0; round < 10; round++) for (let at = 0; at < buffer.length; at++) sum += buffer[at]!;
  expect(sum).to.be.above(0);
  return process.cpuUsage(before).user / 10_000;
}

/** The CPU time of the longest turn of the event loop, ms. */
class LongestTurn {
  #longest = 0;
  #isOver = false;
  readonly #watching: Promise<void>;

  constructor() {
    this.#watching = this.#watch();
  }

  async end(): Promise<number> {
    this.#isOver = true;
    await this.#watching;
    return this.#longest;
  }

  async #watch(): Promise<void> {
    while (!this.#isOver) {
      const before = process.cpuUsage();
      await nextTurn();
      const { user, system } = process.cpuUsage(before);
      this.#longest = Math.max(this.#longest, (user + system) / 1000);
    }
  }
}
