import { expect } from 'chai';
import { silentLogger } from '../../server/logger.js';
import { judgeSetUp } from '../../server/redis/set-up.js';
import { startTestApp } from '../http/test-app.js';
import { OwnRedis } from '../log/own-redis.js';
import { get } from '../support/http.js';

const GOOD = {
  redis_version: '7.0.15',
  maxmemory: '1073741824',
  maxmemory_policy: 'noeviction',
  aof_enabled: '1',
};

/** An answer to INFO, as Redis writes it. */
const info = (fields: object) =>
  ['# Server', ...Object.entries({ ...GOOD, ...fields }).map(([name, value]) => `${name}:${value}`), ''].join(
    '\r\n',
  );
const judged = (fields: object = {}) =>
  judgeSetUp(info(fields)).map(({ level, text }) => `${level}: ${text}`);

describe('The set-up of a Redis', () => {
  it('is not complained of where it is as the hub needs it', () => {
    expect(judged()).to.deep.equal([]);
    expect(judged({ redis_version: '6.2.0' })).to.deep.equal([]);
    expect(judged({ redis_version: '8.2.1' })).to.deep.equal([]);
  });

  for (const policy of ['allkeys-lru', 'volatile-ttl', 'allkeys-random']) {
    it(`is dangerous where maxmemory-policy is ${policy}`, () => {
      const [finding, ...more] = judged({ maxmemory_policy: policy });
      expect(finding).to.match(new RegExp(`^danger: maxmemory-policy is ${policy}: .*noeviction$`));
      expect(more).to.deep.equal([]);
    });
  }

  it('is dangerous where Redis is too old', () => {
    expect(judged({ redis_version: '6.0.16' })).to.deep.equal([
      'danger: Redis 6.0.16 is too old: 6.2 is needed',
    ]);
    expect(judged({ redis_version: '5.0.14' })).to.have.length(1);
  });

  it('is worth a note where memory has no limit, or nothing is written to a disk', () => {
    expect(judged({ maxmemory: '0' })[0]).to.match(/^note: maxmemory is not set/);
    expect(judged({ aof_enabled: '0' })[0]).to.match(/^note: appendonly is off/);
  });

  it('is told by a node as it starts, which serves all the same', async () => {
    const redis = await OwnRedis.start();
    const link = await redis.connect();
    await link.command(['CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru']);
    const warnings: unknown[] = [];
    const logger = { ...silentLogger, warn: (fields: object | string) => warnings.push(fields) };
    const app = await startTestApp({ REDIS_URL: redis.url }, logger);
    try {
      expect(JSON.stringify(warnings)).to.contain('maxmemory-policy is allkeys-lru');
      expect((await get(`${app.url}/health/ready`)).status).to.equal(200);
    } finally {
      await app.stop();
      await redis.stop();
    }
  });
});
