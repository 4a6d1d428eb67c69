import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { STREAM_DEFAULTS } from '../../server/hub/streams.js';
import type { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { redisServer } from '../../server/local-cluster/redis-server.js';
import { RedisStreamLog } from '../../server/log/redis-stream-log.js';
import { silentLogger } from '../../server/logger.js';
import { RedisLink } from '../../server/redis/redis-link.js';

describe('A publisher whose Redis forgets its scripts', () => {
  let dir: string;
  let redis: ManagedProcess;
  let link: RedisLink;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-'));
    const port = await freePorts(1);
    redis = redisServer({ port, dir });
    await redis.start();
    link = new RedisLink({ url: `redis://127.0.0.1:${port}`, logger: silentLogger });
    await link.connect();
  });

  after(async () => {
    await link?.close();
    await redis?.stop('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });

  it('has its unacknowledged messages committed in the order in which it gave them', async () => {
    const log = new RedisStreamLog({
      link,
      streams: new Map([['news', STREAM_DEFAULTS]]),
      channelOf: (stream) => `spec#${stream}`,
    });
    const seqs: number[] = [];
    const pending: Promise<unknown>[] = [];
    for (let n = 0; n < 400; n++) {
      if (n % 100 === 0) await link.command(['SCRIPT', 'FLUSH']);
      const append = log.append('news', [{ key: 'k', data: String(n) }]).then(([result]) => {
        if (result?.status === 'appended') seqs[n] = result.seq;
      });
      pending.push(append);
      // Another turn, another script call.
      await new Promise((resolve) => setImmediate(resolve));
    }
    await Promise.all(pending);
    expect(seqs).to.deep.equal(Array.from({ length: 400 }, (_, n) => n + 1));
  });
});
