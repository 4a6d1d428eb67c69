/** What is revoked or banned stays so: whatever comes later, in whichever order the nodes hear of it. */
import { expect } from 'chai';
import type { Identity } from '../../server/auth/claims.js';
import { Bearer } from '../../server/auth/claims.js';
import { FOREVER, type Listed } from '../../server/auth/listed.js';
import { type RevocationStore, Revocations } from '../../server/auth/revocations.js';
import { silentLogger } from '../../server/logger.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { call } from '../support/http.js';
import { until } from '../support/wait.js';
import { bearer, startSecuredApp, token } from './support.js';

const HOUR_MS = 3_600_000;

function revocationsWith(store: RevocationStore): Revocations {
  return new Revocations({ store, logger: silentLogger, onChange: () => undefined });
}

function someone(claims: Partial<Identity> = {}): Bearer {
  const streams = { subscribe: [], publish: [] };
  return new Bearer(
    { sub: 'alice', issuedAt: 1, expiresAt: FOREVER, streams, admin: false, ...claims },
    new Map(),
  );
}

/** Every order of a few things. */
function ordersOf<T>(things: readonly T[]): T[][] {
  if (things.length === 0) return [[]];
  return things.flatMap((one, i) => ordersOf(things.toSpliced(i, 1)).map((rest) => [one, ...rest]));
}

/** What a node makes of entries that it reads in this order. */
async function reading(entries: readonly Listed[]): Promise<Revocations> {
  let left: readonly Listed[] | undefined = entries;
  const revocations = revocationsWith({
    add: async () => undefined,
    changes: async () => {
      const now = left;
      left = undefined;
      return now;
    },
  });
  await revocations.start();
  revocations.stop();
  return revocations;
}

describe('The list of revocations', () => {
  it('has the union of what was said of one subject, in whichever order it comes', async () => {
    const now = Date.now();
    const long = { kind: 'sub', value: 'alice', at: now - 20, expiresAt: now + HOUR_MS } as const;
    const late = { kind: 'sub', value: 'alice', at: now - 10, expiresAt: now + 1 } as const;
    for (const order of ordersOf([long, late])) {
      const revocations = await reading(order);
      await until('the shorter one would have ended', () => Date.now() > now + 1);
      expect(revocations.revokes(someone({ issuedAt: now - 10 })), 'up to the later one').to.equal(true);
      expect(revocations.revokes(someone({ issuedAt: now - 9 }))).to.equal(false);
      expect(revocations.count).to.equal(1);
    }
  });

  it('has the longest ban that was not lifted since, in whichever order they come', async () => {
    const now = Date.now();
    const ban = (at: number, until: number) =>
      ({ kind: 'banned_sub', value: 'mallory', at, until, expiresAt: now + 9 * HOUR_MS }) as const;
    const entries = [ban(now - 50, now + 5 * HOUR_MS), ban(now - 40, now - 40), ban(now - 30, now + HOUR_MS)];
    for (const order of ordersOf([...entries, ban(now - 20, now + 1_000)])) {
      const left = (await reading(order)).bannedForMs('mallory', '');
      expect(left).to.be.within(HOUR_MS - 60_000, HOUR_MS);
    }
  });

  it('lifts a ban of a node whose clock is ahead, and bans after it', async () => {
    const ahead = Date.now() + 60_000;
    const ban = {
      kind: 'banned_sub',
      value: 'mallory',
      at: ahead,
      until: ahead + HOUR_MS,
      expiresAt: ahead + HOUR_MS,
    } as const;
    const revocations = await reading([ban]);
    await revocations.ban('sub', 'mallory', 0);
    expect(revocations.bannedForMs('mallory', '')).to.equal(0);
    await revocations.ban('sub', 'mallory', 1_000);
    expect(revocations.bannedForMs('mallory', '')).to.be.above(0);
  });

  it('has one entry for a subject that is revoked again and again', async () => {
    const kept: Listed[] = [];
    const revocations = revocationsWith({
      add: async (listed, needless) => {
        const texts = needless.map((one) => JSON.stringify(one));
        for (const text of texts)
          kept.splice(
            kept.findIndex((one) => JSON.stringify(one) === text),
            1,
          );
        kept.push(listed);
      },
      changes: async () => undefined,
    });
    for (let n = 0; n < 20; n++) {
      await revocations.revoke({ kind: 'sub', value: 'alice', at: n, expiresAt: Date.now() + HOUR_MS });
      await revocations.ban('sub', 'alice', n % 3 === 0 ? 0 : HOUR_MS);
    }
    // The revocation, the newest ban, and what lifted those before it.
    expect(kept).to.have.length(3);
  });
});

describe('A revocation', () => {
  let app: RunningNode;
  let admin = '';

  before(async () => {
    app = await startSecuredApp();
    admin = await token({ sub: 'root', admin: true });
  });
  after(() => app?.stop());

  const revoke = (what: object) =>
    call('POST', `${app.url}/api/revocations`, JSON.stringify(what), bearer(admin));
  const ban = (what: object) => call('POST', `${app.url}/api/bans`, JSON.stringify(what), bearer(admin));
  const ask = async (text: string) => {
    const { status, body } = await call('GET', `${app.url}/api/streams`, undefined, bearer(text));
    return status === 200 ? '200' : String(body.code);
  };

  it('of a subject lets in who logs in after its answer, even if in its very second, and nobody from before', async () => {
    for (let round = 0; round < 3; round++) {
      const old = await token({ sub: 'again' });
      const revoking = revoke({ sub: 'again' });
      await until('it is in force', async () => (await ask(old)) === 'token_revoked');
      expect((await revoking).status).to.equal(201);
      const fresh = await token({ sub: 'again' });
      expect(await ask(fresh), `round ${round}`).to.equal('200');
      expect(await ask(old)).to.equal('token_revoked');
    }
  });

  it('cannot be escaped by a token that says it was issued later', async () => {
    expect(await ask(await token({ sub: 'later', issuedS: 3_600, lastsS: 7_200 }))).to.equal('token_invalid');
    const ahead = await token({ sub: 'ahead', issuedS: 3 });
    expect(await ask(ahead), 'as far as clocks may differ').to.equal('200');
    await revoke({ sub: 'ahead' });
    expect(await ask(ahead)).to.equal('token_revoked');
  });

  it('with an end that lies in the past is refused, and says that it is in ms', async () => {
    for (const what of [{ jti: 'x' }, { sub: 'x' }]) {
      for (const expiresAt of [1, Math.floor(Date.now() / 1000) + 3_600]) {
        const { status, body } = await revoke({ ...what, expiresAt });
        expect(status).to.equal(400);
        expect(body).to.include({ code: 'bad_request', field: 'expiresAt' });
        expect(body.detail).to.match(/ms since the Unix epoch/);
      }
      const { body } = await revoke({ ...what, expiresAt: Date.now() - HOUR_MS });
      expect(body).to.include({ code: 'bad_request', field: 'expiresAt' });
    }
  });

  it('is not shortened by a later one that ends sooner', async () => {
    const text = await token({ sub: 'twice', jti: 'twice' });
    for (const what of [{ jti: 'twice' }, { sub: 'twice' }]) {
      const { expiresAt } = (await revoke(what)).body;
      const again = await revoke({ ...what, expiresAt: Date.now() + 60_000 });
      expect(again.body.expiresAt).to.equal(expiresAt);
      expect(await ask(text)).to.equal('token_revoked');
    }
  });

  it('of a ban: a shorter one does not end it sooner, zero ends it', async () => {
    const { body } = await ban({ sub: 'long', forMs: HOUR_MS });
    expect((await ban({ sub: 'long', forMs: 1 })).body.until).to.equal(body.until);
    const text = await token({ sub: 'long' });
    expect(await ask(text)).to.equal('banned');
    await ban({ sub: 'long', forMs: 0 });
    expect(await ask(text)).to.equal('200');
  });
});
