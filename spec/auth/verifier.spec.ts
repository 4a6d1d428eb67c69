import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { exportJWK, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { TokenVerifier, tokenKey } from '../../server/auth/verifier.js';
import type { HubError } from '../../server/errors.js';
import { type Clock, systemClock } from '../../server/time/clock.js';
import { FakeClock } from '../hub/fake-clock.js';
import { until } from '../support/wait.js';
import { SECRET, token } from './support.js';

const OPTIONS = {
  audience: 'axiom-streaming',
  issuer: '',
  maxLifeMs: 3_600_000,
  leewayMs: 5_000,
  read: new Map([['portfolio', 'granted' as const]]),
};
const NO_KEY = { secret: '', publicKey: '', jwksUrl: '' };

async function verifier(
  key: Partial<typeof NO_KEY>,
  options: Partial<typeof OPTIONS> = {},
  clock: Clock = systemClock,
) {
  const found = await tokenKey({ ...NO_KEY, ...key }, clock);
  return new TokenVerifier({ ...found!, ...OPTIONS, ...options });
}

async function refusal(by: TokenVerifier, text: string): Promise<string> {
  try {
    await by.verify(text);
  } catch (error) {
    const { code, message } = error as HubError;
    return `${code}: ${message}`;
  }
  return 'accepted';
}

/** A token signed by a private key. */
function signed(key: Parameters<SignJWT['sign']>[0], alg: string, kid?: string): Promise<string> {
  return new SignJWT({ streams: { subscribe: ['portfolio:p1'] } })
    .setProtectedHeader(kid === undefined ? { alg } : { alg, kid })
    .setSubject('alice')
    .setAudience('axiom-streaming')
    .setExpirationTime('5m')
    .sign(key);
}

const base64 = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
const PAYLOAD = { sub: 'alice', aud: 'axiom-streaming', exp: Math.floor(Date.now() / 1000) + 300 };

describe('Tokens', () => {
  describe('with a shared secret', () => {
    let hs: TokenVerifier;

    before(async () => {
      hs = await verifier({ secret: SECRET });
    });

    it('say who their bearer is and what they may do', async () => {
      const bearer = await hs.verify(await token({ jti: 'j1', subscribe: ['portfolio:{sub}'], admin: true }));
      expect(bearer).to.include({ subject: 'alice', tokenId: 'j1', admin: true });
      expect(bearer.expiresAt).to.be.closeTo(Date.now() + 300_000, 60_000);
      expect(bearer.mayRead({ stream: 'portfolio', key: 'alice' })).to.equal(true);
      expect(bearer.mayPublish({ stream: 'portfolio', key: 'alice' })).to.equal(false);
    });

    it('are remembered until they end', async () => {
      const text = await token({ lastsS: 100 });
      expect(hs.known(text)).to.equal(undefined);
      const bearer = await hs.verify(text);
      expect(hs.known(text)).to.equal(bearer);
      const { now } = Date;
      try {
        Date.now = () => now() + 106_000;
        expect(hs.known(text)).to.equal(undefined);
      } finally {
        Date.now = now;
      }
    });

    it('are read with a leeway for clocks that differ: a little before their time, and a little after it', async () => {
      expect(await refusal(hs, await token({ notBeforeS: 2 }))).to.equal('accepted');
      expect(await refusal(hs, await token({ lastsS: -2 }))).to.equal('accepted');
      const late = await token({ lastsS: -2 });
      const bearer = await hs.verify(late);
      expect(hs.known(late)).to.equal(bearer);
      const strict = await verifier({ secret: SECRET }, { leewayMs: 0 });
      expect(await refusal(strict, await token({ notBeforeS: 2 }))).to.match(/not valid yet/);
      expect(await refusal(strict, await token({ lastsS: -1 }))).to.match(/^token_expired: /);
    });

    const cases: [what: string, make: () => Promise<string> | string, refusal: RegExp][] = [
      ['that has expired', () => token({ lastsS: -10 }), /^token_expired: /],
      ['of another audience', () => token({ aud: 'another' }), /^token_invalid: .*audience/],
      ['of another secret', () => token({ secret: `${SECRET}!` }), /^token_invalid: .*signature/],
      ['that is not valid yet', () => token({ notBeforeS: 60 }), /^token_invalid: .*not valid yet/],
      ['that lasts too long', () => token({ lastsS: 4_000 }), /^token_invalid: .*longer/],
      ['that is no token', () => 'hello', /^token_invalid: .*not a signed JWT/],
      ['that is empty in its parts', () => '..', /^token_invalid: /],
      ['that is too long', () => 'a'.repeat(9_000), /^token_invalid: .*8192/],
      ['with a pattern that is none', () => token({ subscribe: ['*'] }), /^token_invalid: .*"\*"/],
      [
        'whose subject is not valid in a topic',
        () => token({ sub: '*', subscribe: ['portfolio:{sub}'] }),
        /^token_invalid: /,
      ],
      [
        'without a signature (alg none)',
        () => `${base64({ alg: 'none' })}.${base64(PAYLOAD)}.`,
        /^token_invalid: .*algorithm/,
      ],
      [
        'with another HMAC',
        () => signed(Buffer.from(SECRET.repeat(2)), 'HS512'),
        /^token_invalid: .*algorithm is not HS256/,
      ],
      [
        'without an end',
        () =>
          new SignJWT({})
            .setProtectedHeader({ alg: 'HS256' })
            .setSubject('a')
            .setAudience('axiom-streaming')
            .sign(Buffer.from(SECRET)),
        /^token_invalid: .*exp/,
      ],
      [
        'without a subject',
        () =>
          new SignJWT({})
            .setProtectedHeader({ alg: 'HS256' })
            .setExpirationTime('5m')
            .setAudience('axiom-streaming')
            .sign(Buffer.from(SECRET)),
        /^token_invalid: .*sub/,
      ],
      [
        'whose streams are malformed',
        () =>
          new SignJWT({ streams: 'all' })
            .setProtectedHeader({ alg: 'HS256' })
            .setSubject('a')
            .setExpirationTime('5m')
            .setAudience('axiom-streaming')
            .sign(Buffer.from(SECRET)),
        /^token_invalid: .*streams/,
      ],
    ];
    for (const [what, make, expected] of cases) {
      it(`refuse one ${what}, and say so`, async () => {
        const text = await make();
        const said = await refusal(hs, text);
        expect(said).to.match(expected);
        if (text.length > 10) expect(said).not.to.include(text);
      });
    }

    it('refuse another issuer, where one is configured', async () => {
      const strict = await verifier({ secret: SECRET }, { issuer: 'https://idp' });
      expect(await refusal(strict, await token({ iss: 'https://other' }))).to.match(/issuer/);
      expect(await refusal(strict, await token())).to.match(/issuer/);
      expect(await refusal(strict, await token({ iss: 'https://idp' }))).to.equal('accepted');
    });
  });

  for (const algorithm of ['RS256', 'ES256', 'EdDSA']) {
    it(`with a public key: ${algorithm} alone is accepted, and its key does not serve as a secret for HS256`, async () => {
      const { privateKey, publicKey } = await generateKeyPair(algorithm);
      const pem = await exportSPKI(publicKey);
      const by = await verifier({ publicKey: pem });
      expect(await refusal(by, await signed(privateKey, algorithm))).to.equal('accepted');
      expect(await refusal(by, await signed(Buffer.from(pem), 'HS256'))).to.match(
        /^token_invalid: .*algorithm/,
      );
      expect(await refusal(by, `${base64({ alg: 'none' })}.${base64(PAYLOAD)}.`)).to.match(
        /^token_invalid: .*algorithm/,
      );
      const stranger = await generateKeyPair(algorithm);
      expect(await refusal(by, await signed(stranger.privateKey, algorithm))).to.match(/signature/);
    });
  }

  it('cannot be checked with an invalid key', async () => {
    const error: Error = await tokenKey({ ...NO_KEY, publicKey: 'nonsense' }).then(
      () => new Error('accepted'),
      (reason: Error) => reason,
    );
    expect(error.message).to.match(/^JWT_PUBLIC_KEY is not an RSA/);
  });

  describe('with a key set', () => {
    let server: Server;
    let url = '';
    let keys: JWK[] = [];
    let fetches = 0;
    let answered = 0;
    let up = true;

    before(async () => {
      server = createServer((_request, response) => {
        fetches += 1;
        response
          .writeHead(up ? 200 : 500, { 'Content-Type': 'application/json' })
          .end(JSON.stringify({ keys }), () => {
            answered += 1;
          });
      });
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    });

    after(() => {
      server.close();
    });

    beforeEach(() => {
      fetches = 0;
      answered = 0;
      up = true;
    });

    async function newKey(kid: string) {
      const { privateKey, publicKey } = await generateKeyPair('ES256');
      return { privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg: 'ES256' } };
    }

    it('are checked with the key that they name, fetched once', async () => {
      const [one, two] = [await newKey('one'), await newKey('two')];
      keys = [one.jwk, two.jwk];
      const by = await verifier({ jwksUrl: url });
      expect(await refusal(by, await signed(one.privateKey, 'ES256', 'one'))).to.equal('accepted');
      expect(await refusal(by, await signed(two.privateKey, 'ES256', 'two'))).to.equal('accepted');
      expect(await refusal(by, await signed(one.privateKey, 'ES256', 'two'))).to.match(/signature/);
      expect(fetches).to.equal(1);
    });

    it('of keys that nobody knows do not make the hub ask again and again', async () => {
      const one = await newKey('one');
      keys = [one.jwk];
      const by = await verifier({ jwksUrl: url });
      for (let i = 0; i < 50; i++) {
        expect(await refusal(by, await signed(one.privateKey, 'ES256', `unknown-${i}`))).to.match(
          /not name a key of the key set/,
        );
      }
      expect(fetches).to.equal(1);
    });

    it('follow a rotation of the keys within five seconds of the last fetch', async () => {
      const [one, two] = [await newKey('one'), await newKey('two')];
      keys = [one.jwk];
      const clock = new FakeClock();
      const by = await verifier({ jwksUrl: url }, {}, clock);
      expect(await refusal(by, await signed(one.privateKey, 'ES256', 'one'))).to.equal('accepted');
      keys = [two.jwk];
      clock.advance(5_000);
      expect(await refusal(by, await signed(two.privateKey, 'ES256', 'two'))).to.equal('accepted');
      expect(fetches).to.equal(2);
    });

    it('of known keys are accepted while their server is away, for a day; it is asked again meanwhile', async () => {
      const one = await newKey('one');
      keys = [one.jwk];
      const clock = new FakeClock();
      const by = await verifier({ jwksUrl: url }, {}, clock);
      const another = () => signed(one.privateKey, 'ES256', 'one');
      expect(await refusal(by, await another())).to.equal('accepted');
      up = false;
      for (let minutes = 0; minutes < 60; minutes += 5) {
        clock.advance(300_000);
        expect(await refusal(by, await another())).to.equal('accepted');
        await until('what was asked is answered', () => answered === fetches);
      }
      expect(fetches).to.be.within(4, 12);
      expect(await refusal(by, await signed(one.privateKey, 'ES256', 'two'))).to.match(/^keys_unavailable: /);
      clock.advance(86_400_000);
      expect(await refusal(by, await another())).to.match(/^keys_unavailable: /);
      up = true;
      clock.advance(1_000);
      expect(await refusal(by, await another())).to.equal('accepted');
    });

    it('of keys that nobody knows do not make the hub ask a server that fails again and again', async () => {
      const one = await newKey('one');
      keys = [one.jwk];
      const clock = new FakeClock();
      const by = await verifier({ jwksUrl: url }, {}, clock);
      expect(await refusal(by, await signed(one.privateKey, 'ES256', 'one'))).to.equal('accepted');
      up = false;
      clock.advance(10_000);
      for (let i = 0; i < 20; i++) {
        expect(await refusal(by, await signed(one.privateKey, 'ES256', `unknown-${i}`))).to.match(
          /^keys_unavailable: /,
        );
      }
      expect(fetches).to.equal(2);
    });

    it('are not refused as invalid while the key set is unreachable', async () => {
      up = false;
      const by = await verifier({ jwksUrl: url });
      expect(await refusal(by, await signed((await newKey('one')).privateKey, 'ES256', 'one'))).to.match(
        /^keys_unavailable: /,
      );
    });
  });
});
