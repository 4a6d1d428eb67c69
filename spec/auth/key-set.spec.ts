/** Where the keys come from that tokens are checked with. */
import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { TokenVerifier, tokenKey } from '../../server/auth/verifier.js';
import { type ConfigError, readConfig } from '../../server/config/config.js';
import type { HubError } from '../../server/errors.js';

describe('JWKS_URL', () => {
  const mistakes = (JWKS_URL: string, more: Readonly<Record<string, string>> = {}) => {
    try {
      readConfig({ JWKS_URL, JWT_ISSUER: 'https://issuer.example', ...more });
      return '';
    } catch (error) {
      return (error as ConfigError).report;
    }
  };

  it('in clear to another machine is refused, unless told', () => {
    for (const host of [
      'issuer.example',
      '10.0.0.7',
      '203.0.113.9:8080',
      'localhost.example',
      '[2001:db8::1]',
    ]) {
      const url = `http://${host}/keys`;
      expect(mistakes(url), url).to.match(/JWKS_URL: .*in clear.*JWKS_INSECURE=on/);
      expect(mistakes(url, { JWKS_INSECURE: 'off' }), url).to.include('JWKS_URL');
      expect(mistakes(url, { JWKS_INSECURE: 'on' })).to.equal('');
    }
  });

  it('over https, or of this machine, is accepted', () => {
    for (const url of [
      'https://issuer.example/keys',
      'http://localhost:9000/keys',
      'http://127.0.0.1/keys',
      'http://[::1]:9000/keys',
    ]) {
      expect(mistakes(url), url).to.equal('');
    }
  });

  describe('that answers with a redirect', () => {
    const servers: Server[] = [];
    afterEach(() => {
      for (const server of servers.splice(0)) server.close();
    });
    async function serve(listener: RequestListener): Promise<string> {
      const server = createServer(listener).listen(0, '127.0.0.1');
      servers.push(server);
      await once(server, 'listening');
      return `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
    }

    for (const status of [301, 302, 303, 307, 308]) {
      it(`is not followed elsewhere (${status})`, async () => {
        const { publicKey, privateKey } = await generateKeyPair('ES256');
        const set = JSON.stringify({ keys: [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'ES256' }] });
        let asked = 0;
        const elsewhere = await serve((_request, response) => {
          asked += 1;
          response.setHeader('Content-Type', 'application/json').end(set);
        });
        const jwksUrl = await serve((_request, response) => {
          response.writeHead(status, { Location: elsewhere }).end();
        });
        const key = (await tokenKey({ secret: '', publicKey: '', jwksUrl }))!;
        const verifier = new TokenVerifier({
          ...key,
          audience: 'a',
          issuer: '',
          maxLifeMs: 3_600_000,
          leewayMs: 0,
          read: new Map(),
        });
        const token = await new SignJWT({})
          .setProtectedHeader({ alg: 'ES256', kid: 'k' })
          .setSubject('alice')
          .setAudience('a')
          .setExpirationTime('5m')
          .sign(privateKey);
        const refused = await verifier.verify(token).catch((error: HubError) => error.code);
        expect(refused).to.equal('keys_unavailable');
        expect(asked).to.equal(0);
      });
    }
  });
});
