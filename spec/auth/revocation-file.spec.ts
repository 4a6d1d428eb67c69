/** A node without Redis, which is started again. */
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createApiKey } from '../../server/auth/api-keys.js';
import { LocalRevocationStore } from '../../server/auth/revocation-file.js';
import type { HubError } from '../../server/errors.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { call } from '../support/http.js';
import { bearer, startSecuredApp, token } from './support.js';

const HOUR_MS = 3_600_000;

describe('A node without Redis', () => {
  let dir: string;
  let file: string;
  let app: RunningNode | undefined;

  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-revocations-'));
    file = join(dir, 'revocations.json');
  });
  afterEach(async () => {
    await app?.stop();
    app = undefined;
    rmSync(dir, { recursive: true, force: true });
  });

  const start = async (more: Readonly<Record<string, string>> = {}) => {
    await app?.stop();
    app = await startSecuredApp({ REVOCATIONS_FILE: file, ...more });
  };
  const post = async (path: string, what: object) =>
    call(
      'POST',
      `${app!.url}${path}`,
      JSON.stringify(what),
      bearer(await token({ sub: 'root', admin: true })),
    );
  const ask = async (text: string) =>
    (await call('GET', `${app!.url}/api/streams`, undefined, bearer(text))).body.code;

  it('remembers revocations and bans when it is started again', async () => {
    await start();
    const [one, all, banned] = [
      await token({ jti: 'one' }),
      await token({ sub: 'all' }),
      await token({ sub: 'banned' }),
    ];
    await post('/api/revocations', { jti: 'one' });
    await post('/api/revocations', { sub: 'all' });
    await post('/api/bans', { sub: 'banned', forMs: HOUR_MS });
    expect(statSync(file).mode & 0o077, 'nobody else may read it').to.equal(0);
    await start();
    expect(await ask(one)).to.equal('token_revoked');
    expect(await ask(all)).to.equal('token_revoked');
    expect(await ask(banned)).to.equal('banned');
    expect(await ask(await token({ sub: 'all' })), 'who logs in later').to.equal(undefined);
  });

  it('refuses an API key that was revoked for as long as it is in the file, and accepts the next one of its name', async () => {
    const [old, next] = [createApiKey(), createApiKey()];
    const keys = join(dir, 'keys.json');
    const keep = (hash: string) => writeFileSync(keys, JSON.stringify({ feeder: { hash } }));
    const env = { API_KEYS_FILE: keys, TOKEN_MAX_LIFE_MS: '600000' };
    keep(old.hash);
    await start(env);
    expect(await ask(old.key)).to.equal(undefined);
    expect((await post('/api/revocations', { sub: 'feeder' })).body).to.include({
      sub: 'feeder',
      apiKey: true,
    });
    expect(await ask(old.key)).to.equal('token_revoked');
    const lasting = JSON.parse(readFileSync(file, 'utf8')) as {
      listed: { kind: string; expiresAt: number }[];
    };
    expect(
      lasting.listed.find(({ kind }) => kind === 'jti')!.expiresAt,
      'it does not end with tokens',
    ).to.be.above(Date.now() + 365 * 24 * HOUR_MS);
    await start(env);
    expect(await ask(old.key)).to.equal('token_revoked');
    keep(next.hash);
    app!.reloadKeys();
    expect(await ask(next.key)).to.equal(undefined);
    expect(await ask(old.key)).to.equal('token_invalid');
  });

  it('does not start with a file that it cannot read or write, and names it', async () => {
    writeFileSync(file, '{"version":1,"listed":[{"kind":"jti"}]}');
    const failing = (what: string) => start({ REVOCATIONS_FILE: what }).then(() => 'started', String);
    expect(await failing(file))
      .to.include('REVOCATIONS_FILE')
      .and.to.include(file);
    writeFileSync(file, 'half a f');
    expect(await failing(file)).to.include(`REVOCATIONS_FILE: ${file} is not JSON`);
    expect(await failing(join(dir, 'missing', 'file.json')))
      .to.include('REVOCATIONS_FILE')
      .and.to.include('missing');
  });

  it('says that a revocation could not be kept, and does not pretend that it is in force', async () => {
    await start();
    rmSync(dir, { recursive: true });
    const { status, body } = await post('/api/revocations', { jti: 'lost' });
    expect(status).to.equal(503);
    expect(body).to.include({ code: 'log_unavailable' });
    expect(body.detail).to.include('REVOCATIONS_FILE');
    expect(await ask(await token({ jti: 'lost' }))).to.equal(undefined);
  });

  it('loses nothing of another node that uses the same file', async () => {
    const [one, other] = [new LocalRevocationStore(file), new LocalRevocationStore(file)];
    const entry = (value: string) =>
      ({ kind: 'jti', value, at: Date.now(), expiresAt: Date.now() + HOUR_MS }) as const;
    await one.add(entry('a'), []);
    await other.add(entry('b'), []);
    await one.add(entry('c'), []);
    const read = (await new LocalRevocationStore(file).changes()) ?? [];
    expect(read.map(({ value }) => value)).to.have.members(['a', 'b', 'c']);
    expect((await other.changes())?.map(({ value }) => value)).to.have.members(['a', 'b', 'c']);
  });

  it('refuses a revocation when its list is full, keeps the others, and lets one be replaced', async () => {
    const ends = Date.now() + HOUR_MS;
    const entry = (n: number) => ({ kind: 'jti', value: String(n), at: 1, expiresAt: ends }) as const;
    const listed = Array.from({ length: 100_000 }, (_, n) => entry(n));
    writeFileSync(file, JSON.stringify({ version: 1, listed }));
    const store = new LocalRevocationStore(file);
    expect(await store.changes()).to.have.length(100_000);
    const refused = await store.add(entry(-1), []).catch((error: unknown) => error);
    expect((refused as HubError).code).to.equal('overloaded');
    await store.add({ ...entry(7), at: 2 }, [entry(7)]);
    const kept = (await new LocalRevocationStore(file).changes())!;
    expect(kept).to.have.length(100_000);
    expect(kept.find(({ value }) => value === '7')!.at).to.equal(2);
  });
});
