import { HubError, mayPass } from '@axiom-streaming/client';
import { expect } from 'chai';
import { ERRORS } from '../../server/errors.js';

describe('The client library, where it is refused', () => {
  it('asks again after exactly those errors of which the hub says that they pass', () => {
    const codes = Object.keys(ERRORS).filter((code) => mayPass(new HubError(code, '')));
    const passing = Object.entries(ERRORS).filter(([, { retry }]) => retry);
    expect(codes).to.have.members(passing.map(([code]) => code));
  });
});
