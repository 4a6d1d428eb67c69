import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import { expect } from 'chai';

describe('The close codes', () => {
  it('are those that clients were promised', () => {
    const codes = Object.fromEntries(Object.values(CLOSE).map(({ code, name }) => [name, code]));
    expect(codes).to.deep.equal({
      drain: 1012,
      slow: 4008,
      bad_request: 4400,
      token: 4401,
      denied: 4403,
      no_pong: 4408,
      too_many: 4429,
      setup_failed: 4500,
      backfill_failed: 4503,
    });
  });

  it('each have a number of their own that an endpoint may send', () => {
    const codes = Object.values(CLOSE).map(({ code }) => code);
    expect(new Set(codes).size).to.equal(codes.length);
    for (const code of codes)
      expect(code === 1012 || (code >= 4000 && code <= 4999), String(code)).to.equal(true);
  });

  it('say when to come back: at once unless the client is to blame', () => {
    const back = Object.values(CLOSE).filter(({ reconnect }) => reconnect === 'yes');
    expect(back.map(({ name }) => name)).to.have.members([
      'drain',
      'slow',
      'no_pong',
      'too_many',
      'setup_failed',
      'backfill_failed',
    ]);
    for (const { meaning } of Object.values(CLOSE)) expect(meaning).to.match(/^[a-z].{10,}$/);
  });

  it('have names that fit into the reason of a close frame', () => {
    for (const { name } of Object.values(CLOSE)) expect(Buffer.byteLength(name)).to.be.at.most(123);
  });
});
