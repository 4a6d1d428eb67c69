import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { ConfigError, readConfig, VARIABLES } from '../../server/config/config.js';

const README = fileURLToPath(new URL('../../../README.md', import.meta.url));

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
    const { NODE_ID, streams, ...config } = readConfig({});
    expect(config).to.deep.equal({
      HOST: '127.0.0.1',
      PORT: 8001,
      REDIS_URL: '',
      ARCHIVE_URL: '',
      STREAMS_FILE: '',
      FAST_PATH: true,
      FEEDS: true,
      FLUSH_WINDOW_MS: 10,
      FEEDS_INTERVAL_MS: 1_000,
      LOG_LEVEL: 'info',
      TRUST_PROXY: ['loopback'],
      JWT_SECRET: '',
      JWT_PUBLIC_KEY: '',
      JWKS_URL: '',
      JWT_ISSUER: '',
      JWT_AUDIENCE: 'axiom-streaming',
      TOKEN_MAX_LIFE_MS: 604_800_000,
      API_KEYS_FILE: '',
      PUBLISH_KEY: '',
      ALLOWED_ORIGINS: [],
      METRICS_TOKEN: '',
      MAX_TOPICS_PER_EVENT_STREAM: 1_000,
      MAX_CONNECTIONS_PER_ADDRESS: 500,
      MAX_CONNECTIONS_PER_SUBJECT: 1_000,
      MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS: 50,
      MAX_REQUESTS_PER_SECOND_PER_ADDRESS: 200,
      MAX_REQUESTS_PER_SECOND_PER_CONNECTION: 500,
      MAX_PUBLISHES_PER_SECOND_PER_CONNECTION: 10_000,
      MAX_PUBLISHES_PER_SECOND_PER_SUBJECT: 100_000,
      UNAUTHENTICATED_MS: 5_000,
      apiKeys: {},
      development: true,
      DRAIN_MS: 5_000,
      MAX_MESSAGE_BYTES: 65_536,
      MAX_BATCH_ITEMS: 1_000,
      MAX_BATCH_BYTES: 8_388_608,
      MAX_TOPICS_PER_CONNECTION: 1_000,
      CONNECTION_BUDGET_BYTES: 1_048_576,
      WINDOW_BYTES: 16_777_216,
      RECOVERY_MAX_MESSAGES: 100_000,
      MAX_CONCURRENT_BACKFILLS: 32,
      MAX_HANDSHAKES_PER_SECOND: 1_000,
      SESSION_MS: 120_000,
      TOP_CHECK_MS: 3_000,
      PING_INTERVAL_MS: 25_000,
      PING_TIMEOUT_MS: 20_000,
    });
    expect(NODE_ID).to.match(new RegExp(`-${process.pid}$`));
    expect(streams.map(({ name, class: streamClass }) => `${name} ${streamClass}`)).to.deep.equal([
      'market state',
      'news log',
      'portfolio state',
      'signals ledger',
      'system state',
    ]);
  });

  it('reads its own defaults as it reads anything else', () => {
    const defaults = Object.fromEntries(
      Object.entries(VARIABLES).map(([name, { default: text }]) => [name, text]),
    );
    expect({ ...readConfig(defaults), NODE_ID: '' }).to.deep.equal({ ...readConfig({}), NODE_ID: '' });
  });

  it('takes an empty variable for one that is not set', () => {
    const empty = Object.fromEntries(Object.keys(VARIABLES).map((name) => [name, '']));
    expect(readConfig(empty)).to.deep.equal(readConfig({}));
  });

  it('reads what it is given', () => {
    const config = readConfig({
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
    expect(config).to.include({
      HOST: '::1',
      PORT: 0,
      NODE_ID: 'node-1',
      REDIS_URL: 'rediss://user:password@redis:6380/2',
      FEEDS: false,
      LOG_LEVEL: 'silent',
      MAX_MESSAGE_BYTES: 1,
      WINDOW_BYTES: 0,
    });
    expect(config).not.to.have.property('UNRELATED');
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

  it('has bounds for every number, and says them', () => {
    for (const [name, { default: text }] of Object.entries(VARIABLES)) {
      if (!/^\d+$/.test(text)) continue;
      const [mistake] = mistakesOf({ [name]: '99999999999999999999' });
      expect(mistake, name).to.match(/^[A-Z_]+: must be at most \d+ \(it is "9+"\)$/);
    }
    expect(mistakesOf({ PING_INTERVAL_MS: '99' })).to.deep.equal([
      'PING_INTERVAL_MS: must be at least 100 (it is "99")',
    ]);
  });

  it('does not repeat a token or a password in its reports', () => {
    const mistakes = mistakesOf({ REDIS_URL: 'http://user:secret@redis', PORT: 'x' });
    expect(mistakes).to.have.length(2);
    expect(mistakes.join()).not.to.include('secret');
  });

  it('refuses a proxy that is none when it is read, and not when the node starts', () => {
    expect(mistakesOf({ TRUST_PROXY: 'uniquelocal, 10.0.0.0/8' })).to.deep.equal([]);
    expect(mistakesOf({ TRUST_PROXY: 'nonsense' })).to.have.length(1);
  });

  describe('of who may read and write', () => {
    const SECRET = 'a secret of 32 bytes or even more';

    it('is for development only where nothing says whose tokens are accepted', () => {
      expect(readConfig({}).development).to.equal(true);
      expect(readConfig({ JWT_SECRET: SECRET }).development).to.equal(false);
      expect(readConfig({ HOST: 'localhost' }).development).to.equal(true);
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

    it('refuses an origin that is none', () => {
      expect(
        readConfig({ ALLOWED_ORIGINS: 'https://a.example, http://b:8080' }).ALLOWED_ORIGINS,
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
          maxKeys: 100_000,
          read: 'granted',
          write: 'granted',
          archive: false,
        },
      ]);
    });

    it('is refused with a line for each mistake, which says where it is', () => {
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

    it('says how a stream is named where one is named otherwise', () => {
      const [mistake = ''] = mistakesIn({ 'My Stream': {} });
      expect(mistake).to.include('My Stream').and.to.include('1 to 32 of a-z');
    });

    it('is refused where there is no such file, no JSON or no stream in it', () => {
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

  it('is in the README: every variable, with its default and its meaning', function () {
    if (!existsSync(README)) this.skip();
    const rows = /^## Configuration$.*?(?=^## )/ms
      .exec(readFileSync(README, 'utf8'))![0]
      .split('\n')
      .flatMap((line) => {
        const [, name, text, meaning] = /^\| `([A-Z_]+)` +\| *(.*?) *\| +(.+?) *\|$/.exec(line) ?? [];
        return name === undefined ? [] : [[name, text?.replace(/^`(.*)`$/, '$1'), meaning] as const];
      });
    expect(rows).to.deep.equal(
      Object.entries(VARIABLES).map(([name, { default: text, description }]) => [name, text, description]),
    );
  });
});
