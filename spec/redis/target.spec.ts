import { expect } from 'chai';
import { parseRedisUrl } from '../../server/redis/target.js';

const NOBODY = {
  username: undefined,
  password: undefined,
  sentinelUsername: undefined,
  sentinelPassword: undefined,
};

describe('REDIS_URL', () => {
  it('names a server', () => {
    expect(parseRedisUrl('redis://localhost')).to.deep.equal({
      kind: 'server',
      servers: [{ host: 'localhost', port: 6379 }],
      master: '',
      tls: false,
      database: 0,
      ...NOBODY,
    });
    expect(parseRedisUrl('rediss://user:p%40ss:word@[::1]:6380/2')).to.include({
      tls: true,
      database: 2,
      username: 'user',
      password: 'p@ss:word',
    });
    expect(parseRedisUrl('rediss://user:p%40ss@[::1]:6380/2').servers).to.deep.equal([
      { host: '::1', port: 6380 },
    ]);
    expect(parseRedisUrl('redis://:secret@redis:6379')).to.include({
      username: undefined,
      password: 'secret',
    });
  });

  it('names Sentinels and the master that they watch', () => {
    const target = parseRedisUrl('redis+sentinel://:data@s1,s2:26380/mymaster/1?sentinelPassword=watch%26');
    expect(target).to.deep.include({
      kind: 'sentinel',
      servers: [
        { host: 's1', port: 26_379 },
        { host: 's2', port: 26_380 },
      ],
      master: 'mymaster',
      database: 1,
      password: 'data',
      sentinelPassword: 'watch&',
    });
  });

  it('names nodes of a cluster', () => {
    expect(parseRedisUrl('rediss+cluster://r1:7000,r2:7000')).to.deep.include({
      kind: 'cluster',
      tls: true,
      servers: [
        { host: 'r1', port: 7000 },
        { host: 'r2', port: 7000 },
      ],
    });
  });

  it('is refused with what it must be, and without what may be secret in it', () => {
    const wrong: Record<string, RegExp> = {
      'http://redis': /begin with redis:\/\//,
      'redis://': /begin with/,
      'redis://a:secret@one,two': /one host/,
      'redis://host:0': /host:port/,
      'redis://host:70000': /host:port/,
      'redis://host/secret': /number as database/,
      'redis://host?a=b': /must not have "\?a"/,
      'redis+sentinel://a:secret@s1:26379': /end with the master's name/,
      'redis+cluster://a/1': /not name a database/,
      'redis+cluster://a,,b': /host:port/,
      'redis://u:%zzsecret@host': /percent-encoded/,
    };
    for (const [url, what] of Object.entries(wrong)) {
      expect(() => parseRedisUrl(url), url)
        .to.throw(what)
        .with.property('message')
        .that.matches(/^must/)
        .and.not.includes('secret');
    }
  });
});
