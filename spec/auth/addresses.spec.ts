import type { IncomingMessage } from 'node:http';
import { expect } from 'chai';
import { AddressFinder, addressKey, allowsOrigin, canonicalAddress } from '../../server/auth/addresses.js';

const from = (remoteAddress: string, headers: Record<string, string> = {}) =>
  ({ headers, socket: { remoteAddress } }) as unknown as IncomingMessage;

describe('The address of a client', () => {
  const finder = new AddressFinder(['loopback', '10.0.0.0/8']);
  const behind = (forwarded: string) => finder.of(from('127.0.0.1', { 'x-forwarded-for': forwarded }));

  it('is the same in whatever way a trusted proxy writes it', () => {
    const writings: Readonly<Record<string, readonly string[]>> = {
      '1.2.3.4': [
        '1.2.3.4',
        '1.2.3.4:5678',
        ' 1.2.3.4 ',
        '::ffff:1.2.3.4',
        '::FFFF:102:304',
        '[::ffff:1.2.3.4]:80',
      ],
      '2001:db8::1': [
        '2001:db8::1',
        '[2001:db8::1]',
        '[2001:DB8::1]:443',
        '2001:db8:0:0:0:0:0:1',
        '2001:db8::1%eth0',
      ],
    };
    for (const [address, forms] of Object.entries(writings)) {
      for (const form of forms) expect(behind(form), form).to.equal(address);
    }
  });

  it('is that of the hop before the last trusted one, ports or not', () => {
    expect(behind('6.6.6.6, 1.2.3.4:5678, 10.1.1.1:99')).to.equal('1.2.3.4');
    expect(behind('1.2.3.4,10.1.1.1, ,127.0.0.1:1')).to.equal('1.2.3.4');
    expect(behind('garbage, 1.2.3.4:1')).to.equal('1.2.3.4');
  });

  it('is one for all whose proxy names none, and never the proxy’s own', () => {
    for (const forwarded of ['unknown', '_hidden', '1.2.3.4.5', '[::1', '1.2.3.4:x', '1.2.3.4, nonsense:7']) {
      expect(behind(forwarded), forwarded).to.equal('unknown');
    }
  });

  it('is that of the connection where no trusted proxy speaks', () => {
    expect(finder.of(from('::ffff:9.9.9.9', { 'x-forwarded-for': '1.2.3.4' }))).to.equal('9.9.9.9');
    expect(finder.of(from('::ffff:127.0.0.1'))).to.equal('127.0.0.1');
  });

  it('is counted with its network of 64 bits, in whatever form', () => {
    const keys = ['2001:db8::1', '2001:DB8:0:0:ffff::2', '[2001:db8::3]:9'].map((text) =>
      addressKey(canonicalAddress(text)!),
    );
    expect(new Set(keys)).to.deep.equal(new Set(['2001:db8:0:0']));
  });
});

describe('An origin that is not on the list', () => {
  const allows = (origin: string, host: string, scheme: string | undefined) =>
    allowsOrigin({ origin, host }, scheme, new Set());

  it('is the hub’s own only with its scheme, its name and its port', () => {
    expect(allows('https://hub.example.com', 'hub.example.com', 'https')).to.equal(true);
    expect(allows('https://hub.example.com', 'Hub.Example.com:443', 'https')).to.equal(true);
    expect(allows('http://localhost:8080', 'localhost:8080', 'http')).to.equal(true);
    expect(allows('http://[::1]:8080', '[::1]:8080', 'http')).to.equal(true);
    for (const [origin, host, scheme] of [
      ['http://hub.example.com', 'hub.example.com', 'https'],
      ['https://hub.example.com', 'hub.example.com', 'http'],
      ['https://hub.example.com:8443', 'hub.example.com', 'https'],
      ['http://hub.example.com', 'hub.example.com:443', undefined],
      ['https://hub.example.com.evil.com', 'hub.example.com', 'https'],
      ['null', 'hub.example.com', 'https'],
      ['https://hub.example.com', '', 'https'],
    ] as const) {
      expect(allows(origin, host, scheme), `${origin} at ${scheme}://${host}`).to.equal(false);
    }
  });

  it('is compared without its scheme where no proxy says under which it was asked', () => {
    expect(allows('https://hub.example.com', 'hub.example.com', undefined)).to.equal(true);
    expect(allows('http://hub.example.com:80', 'hub.example.com', undefined)).to.equal(true);
    const finder = new AddressFinder(['loopback']);
    expect(finder.schemeOf(from('127.0.0.1'))).to.equal(undefined);
    expect(finder.schemeOf(from('127.0.0.1', { 'x-forwarded-proto': 'https, http' }))).to.equal('https');
    expect(finder.schemeOf(from('8.8.8.8', { 'x-forwarded-for': '1.2.3.4' }))).to.equal(undefined);
    expect(finder.schemeOf(from('8.8.8.8'))).to.equal('http');
  });
});
