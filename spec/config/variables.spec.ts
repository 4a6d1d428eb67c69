import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { ConfigError, readConfig } from '../../server/config/config.js';
import { type Environment, VARIABLES } from '../../server/config/variables.js';

const README = fileURLToPath(new URL('../../../README.md', import.meta.url));

function mistakesOf(environment: Environment): readonly string[] {
  try {
    readConfig(environment);
  } catch (error) {
    if (error instanceof ConfigError) return error.mistakes;
    throw error;
  }
  return [];
}

describe('The table of variables', () => {
  let dir: string;
  let files = 0;

  before(() => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-variables-'));
  });

  after(() => {
    rmSync(dir, { recursive: true, force: true });
  });

  function file(content: object): string {
    files += 1;
    const path = join(dir, `${files}.json`);
    writeFileSync(path, JSON.stringify(content));
    return path;
  }

  it('has defaults that are read like anything else', () => {
    const defaults = Object.fromEntries(
      Object.entries(VARIABLES).map(([name, { default: text }]) => [name, text]),
    );
    expect(readConfig(defaults)).to.deep.equal(readConfig({}));
  });

  it('takes an empty variable for one that is not set', () => {
    const empty = Object.fromEntries(Object.keys(VARIABLES).map((name) => [name, '']));
    expect(readConfig(empty)).to.deep.equal(readConfig({}));
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
    expect(mistakesOf({ WATCHDOG_MS: '999' })).to.deep.equal([
      'WATCHDOG_MS: must be 0, or at least 1000 (it is "999")',
    ]);
  });

  /** A value of each variable that differs from its default. */
  function another({ default: text }: { default: string }, name: string): string {
    const own: Record<string, string> = {
      HOST: 'localhost',
      REDIS_URL: 'redis://elsewhere',
      ARCHIVE_URL: 'postgres://elsewhere',
      LOG_LEVEL: 'warn',
      TRUST_PROXY: 'uniquelocal',
      JWT_SECRET: 'a secret of 32 bytes or even more',
      JWT_PUBLIC_KEY: '-----BEGIN PUBLIC KEY-----',
      JWKS_URL: 'https://idp.example.com/keys',
      PUBLISH_KEY: 'a-key-for-development',
      ALLOWED_ORIGINS: 'https://app.example.com',
      BASE_PATH: '/else',
      STREAMS_FILE: file({ orders: {} }),
      API_KEYS_FILE: file({}),
    };
    if (own[name] !== undefined) return own[name];
    if (text === 'on') return 'off';
    if (text === 'off') return 'on';
    return /^\d+$/.test(text) ? String(Number(text) - 1) : 'else';
  }

  it('holds the value of each variable somewhere in its groups', () => {
    const together: Record<string, Record<string, string>> = { JWKS_URL: { JWT_ISSUER: 'idp' } };
    for (const [name, row] of Object.entries(VARIABLES)) {
      // A file with keys but without any says that this is no hub for development, and nothing else.
      const environment = { ...together[name], [name]: another(row, name) };
      expect(readConfig(environment), name).not.to.deep.equal(readConfig({ ...together[name] }));
    }
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
