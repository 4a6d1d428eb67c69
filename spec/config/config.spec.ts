import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { ConfigError, readConfig } from '../../server/config/config.js';

function mistakesOf(environment: Record<string, string>): readonly string[] {
  try {
    readConfig(environment);
  } catch (error) {
    expect(error).to.be.instanceOf(ConfigError);
    return (error as ConfigError).mistakes;
  }
  return [];
}

describe('The configuration', () => {
  let dir: string;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-config-'));
  });

  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  function streamsFile(content: unknown): string {
    const file = join(dir, 'streams.json');
    writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  }

  it('has a default for everything', () => {
    const { node, streams, ...config } = readConfig({});
    expect(config).to.deep.equal({
      http: {
        host: '127.0.0.1',
        port: 8001,
        basePath: '',
        trustedProxies: ['loopback'],
        behindProxy: false,
        metricsToken: '',
      },
      redis: { url: '' },
      archive: { url: '' },
      logging: { level: 'info' },
      feeds: { isOn: true, intervalMs: 1_000 },
      access: {
        development: true,
        apiKeys: {},
        apiKeysFile: '',
        revocations: { file: 'axiom-revocations.json', isChosen: false },
        publishKey: '',
        allowedOrigins: [],
      },
      tokens: {
        secret: '',
        publicKey: '',
        jwksUrl: '',
        jwksInsecure: false,
        issuer: '',
        audience: 'axiom-streaming',
        maxLifeMs: 604_800_000,
        leewayMs: 5_000,
      },
      rates: {
        connectionsPerAddress: 1_000,
        connectionsPerSubject: 1_000,
        handshakesPerSecond: 50,
        requestsPerAddress: 200,
        requestsPerSubject: 1000,
        requestsPerSecond: 500,
        publishesPerSecond: 10_000,
        publishesPerSubject: 100_000,
        unauthenticatedMs: 5_000,
      },
      limits: {
        connectionBudgetBytes: 1_048_576,
        windowBytes: 16_777_216,
        topicsPerConnection: 1_000,
        topicsPerAnonymousConnection: 250,
        recoveryMaxMessages: 100_000,
        topCheckMs: 3_000,
        concurrentBackfills: 32,
        flushWindowMs: 10,
      },
      publishing: { maxMessageBytes: 65_536, maxBatchItems: 1_000, maxBatchBytes: 8_388_608 },
      transports: {
        handshakesPerSecond: 1_000,
        topicsPerEventStream: 1_000,
        sessionMs: 120_000,
        sessionsMaxBytes: 67_108_864,
        pingIntervalMs: 15_000,
        pingTimeoutMs: 20_000,
        direct: true,
      },
    });
    expect(node.drainMs).to.equal(5_000);
    expect(node.watchdogMs).to.equal(10_000);
    expect(node.id).to.match(new RegExp(`-${process.pid}$`));
    expect(streams.map(({ name, class: streamClass }) => `${name} ${streamClass}`)).to.deep.equal([
      'market state',
      'news log',
      'portfolio state',
      'signals ledger',
      'system state',
    ]);
  });

  it('reads what it is given', () => {
    const { node, http, redis, feeds, logging, publishing, limits, ...others } = readConfig({
      HOST: '::1',
      PORT: '0',
      NODE_ID: 'node-1',
      REDIS_URL: 'rediss://user:password@redis:6380/2',
      FEEDS: 'off',
      LOG_LEVEL: 'silent',
      MAX_MESSAGE_BYTES: '1',
      WINDOW_BYTES: '0',
      UNRELATED: 'ignored',
    });
    expect(node.id).to.equal('node-1');
    expect(http).to.include({ host: '::1', port: 0 });
    expect(redis.url).to.equal('rediss://user:password@redis:6380/2');
    expect(feeds.isOn).to.equal(false);
    expect(logging.level).to.equal('silent');
    expect(publishing.maxMessageBytes).to.equal(1);
    expect(limits.windowBytes).to.equal(0);
    expect(JSON.stringify(others)).not.to.include('ignored');
  });

  it('reports every mistake, each on one line that names the variable and what it is', () => {
    const wrong: Record<string, string> = {
      PORT: '65536',
      NODE_ID: 'node 1',
      REDIS_URL: 'http://redis',
      FEEDS: 'yes',
      FEEDS_INTERVAL_MS: '9',
      LOG_LEVEL: 'loud',
      DRAIN_MS: '-1',
      MAX_MESSAGE_BYTES: '64k',
      MAX_BATCH_ITEMS: '0',
      CONNECTION_BUDGET_BYTES: '1024',
      SESSION_MS: '1.5',
      TOP_CHECK_MS: '60001',
      PING_TIMEOUT_MS: 'soon',
    };
    const mistakes = mistakesOf(wrong);
    expect(mistakes.map((line) => line.split(':', 1)[0])).to.deep.equal(Object.keys(wrong));
    for (const line of mistakes) {
      const [name = ''] = line.split(':', 1);
      expect(line).not.to.include('\n');
      expect(line).to.match(/^[A-Z_]+: (must|may) .+ \(it is ".*"\)$/);
      if (name !== 'REDIS_URL') expect(line).to.include(`"${wrong[name]}"`);
    }
    expect(new ConfigError(mistakes).message.split('\n')).to.deep.equal(mistakes);
  });

  it('does not repeat a token or a password in its reports', () => {
    const mistakes = mistakesOf({ REDIS_URL: 'http://user:secret@redis', PORT: 'x' });
    expect(mistakes).to.have.length(2);
    expect(mistakes.join()).not.to.include('secret');
  });

  it('refuses an invalid proxy when it is read, not only when the node starts', () => {
    expect(mistakesOf({ TRUST_PROXY: 'uniquelocal, 10.0.0.0/8' })).to.deep.equal([]);
    expect(mistakesOf({ TRUST_PROXY: 'nonsense' })).to.have.length(1);
  });

  describe('of who may read and write', () => {
    const SECRET = 'a secret of 32 bytes or even more';

    it('is for development only where nothing says whose tokens are accepted', () => {
      expect(readConfig({}).access.development).to.equal(true);
      expect(readConfig({ JWT_SECRET: SECRET }).access.development).to.equal(false);
      expect(readConfig({ HOST: 'localhost' }).access.development).to.equal(true);
    });

    it('refuses to be reached by others without a secret, and says what to set', () => {
      for (const HOST of ['0.0.0.0', '::', '192.168.0.1', 'hub.example.com']) {
        const [mistake = '', ...others] = mistakesOf({ HOST });
        expect(others).to.deep.equal([]);
        expect(mistake).to.match(/^HOST: /);
        for (const name of ['JWT_SECRET', 'JWT_PUBLIC_KEY', 'JWKS_URL', 'API_KEYS_FILE']) {
          expect(mistake).to.include(name);
        }
        expect(mistakesOf({ HOST, JWT_SECRET: SECRET })).to.deep.equal([]);
      }
    });

    it('refuses a secret that can be guessed, without repeating it', () => {
      const [mistake = ''] = mistakesOf({ JWT_SECRET: 'too short' });
      expect(mistake)
        .to.match(/^JWT_SECRET: must have 32 bytes/)
        .and.not.include('too short');
    });

    it('refuses what contradicts itself', () => {
      const JWKS_URL = 'https://idp.example.com/keys';
      expect(mistakesOf({ JWT_SECRET: SECRET, JWKS_URL, JWT_ISSUER: 'x' })[0]).to.match(
        /^JWKS_URL: cannot be combined/,
      );
      expect(mistakesOf({ JWKS_URL })[0]).to.match(/^JWT_ISSUER: must be set with JWKS_URL/);
      expect(mistakesOf({ JWT_SECRET: SECRET, PUBLISH_KEY: 'a-key-for-development' })[0]).to.match(
        /^PUBLISH_KEY: /,
      );
    });

    it('refuses an invalid origin', () => {
      expect(
        readConfig({ ALLOWED_ORIGINS: 'https://a.example, http://b:8080' }).access.allowedOrigins,
      ).to.deep.equal(['https://a.example', 'http://b:8080']);
      for (const wrong of ['a.example', 'https://a.example/', 'https://*.example']) {
        expect(mistakesOf({ ALLOWED_ORIGINS: wrong }), wrong).to.have.length(1);
      }
    });

    it('names each mistake in a file of keys', () => {
      const file = join(dir, 'keys.json');
      writeFileSync(file, JSON.stringify({ feeder: { hash: 'plain-text', streams: { publsh: [] } } }));
      const mistakes = mistakesOf({ API_KEYS_FILE: file });
      expect(mistakes).to.have.length(2);
      expect(mistakes[0])
        .to.match(/^API_KEYS_FILE: .*feeder › hash: must be "sha256:"/)
        .and.not.include('plain-text');
    });
  });

  describe('of the streams', () => {
    const mistakesIn = (content: unknown) => mistakesOf({ STREAMS_FILE: streamsFile(content) });

    it('comes from a file, with defaults for what is left out', () => {
      const { streams } = readConfig({
        STREAMS_FILE: streamsFile({
          orders: { class: 'ledger', maxMessages: 5, maxAgeMs: 1_000, maxKeys: 2, read: 'authenticated' },
          chat: {},
        }),
      });
      expect(streams).to.deep.equal([
        {
          name: 'orders',
          class: 'ledger',
          maxMessages: 5,
          maxAgeMs: 1_000,
          maxBytes: 134_217_728,
          maxKeys: 2,
          read: 'authenticated',
          write: 'granted',
          archive: false,
        },
        {
          name: 'chat',
          class: 'log',
          maxMessages: 100_000,
          maxAgeMs: 86_400_000,
          maxBytes: 134_217_728,
          maxKeys: 100_000,
          read: 'granted',
          write: 'granted',
          archive: false,
        },
      ]);
    });

    it('is refused with a line for each mistake that says where it is', () => {
      const mistakes = mistakesIn({
        orders: { class: 'queue', maxMessages: 0 },
        news: { maxAgeMs: '1h' },
        chat: { retention: 5 },
      });
      expect(mistakes).to.have.length(4);
      for (const line of mistakes)
        expect(line)
          .to.match(/^STREAMS_FILE: .*streams\.json › /)
          .and.not.include('\n');
      expect(mistakes[0]).to.include('› orders › class');
      expect(mistakes[1]).to.include('› orders › maxMessages');
      expect(mistakes[2]).to.include('› news › maxAgeMs');
      expect(mistakes[3]).to.include('› chat').and.to.include('retention');
    });

    it('takes the shares of a subject, and refuses bounds that the largest message would never fit into', () => {
      const shares = { maxKeysPerSubject: 10, maxBytesPerSubject: 1_000_000 };
      const { streams } = readConfig({ STREAMS_FILE: streamsFile({ chat: shares }) });
      expect(streams[0]).to.include(shares);
      expect(
        mistakesOf({
          STREAMS_FILE: streamsFile({ chat: { maxBytes: 3_999_999, maxBytesPerSubject: 1_999_999 } }),
          MAX_MESSAGE_BYTES: '1000000',
        }),
      ).to.deep.equal([
        'STREAMS_FILE: chat › maxBytes: must be at least 4 × MAX_MESSAGE_BYTES',
        'STREAMS_FILE: chat › maxBytesPerSubject: must be at least 2 × MAX_MESSAGE_BYTES',
      ]);
    });

    it('says how streams are named if a name is invalid', () => {
      const [mistake = ''] = mistakesIn({ 'My Stream': {} });
      expect(mistake).to.include('My Stream').and.to.include('1 to 32 of a-z');
    });

    it('is refused if there is no such file, or it is not JSON or has no stream', () => {
      expect(mistakesOf({ STREAMS_FILE: join(dir, 'missing.json') })[0]).to.match(
        /^STREAMS_FILE: .*missing\.json/,
      );
      expect(mistakesIn('{"orders":')[0]).to.match(/^STREAMS_FILE: /);
      expect(mistakesIn('[]')).to.have.length(1);
      expect(mistakesIn({})[0]).to.match(/names no stream/);
    });

    it('is refused beyond the number of streams that a cursor can hold', () => {
      const streams = (count: number) =>
        Object.fromEntries(Array.from({ length: count }, (_, i) => [`s${i}`, {}]));
      expect(mistakesIn(streams(64))).to.deep.equal([]);
      expect(mistakesIn(streams(65))).to.have.length(1);
    });

    it('is reported together with the other mistakes', () => {
      const mistakes = mistakesOf({ PORT: 'x', STREAMS_FILE: streamsFile({ orders: { class: 'queue' } }) });
      expect(mistakes.map((line) => line.split(':', 1)[0])).to.deep.equal(['PORT', 'STREAMS_FILE']);
    });
  });
});
