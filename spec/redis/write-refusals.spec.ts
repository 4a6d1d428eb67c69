import { ErrorReply } from '@redis/client';
import { expect } from 'chai';
import { kindOf, passingRefusal } from '../../server/redis/write-refusals.js';

const OOM = "OOM command not allowed when used memory > 'maxmemory'.";

describe('A refusal by Redis', () => {
  for (const [of, message, kind] of [
    ['a command', OOM, 'OOM'],
    ['a script', `${OOM} script: f00, on @user_script:31.`, 'OOM'],
    [
      'a script, before Redis 7',
      `ERR Error running script (call to f_f00): @user_script:31: @user_script: 31: -${OOM}`,
      'OOM',
    ],
    ['a script that is wrong', 'ERR Error running script (call to f_f00): @user_script:3: wrong', 'ERR'],
    ['a key that is elsewhere', 'MOVED 3999 127.0.0.1:6381', 'MOVED'],
    ['a disk that is full', 'MISCONF Redis is configured to save RDB snapshots, but', 'MISCONF'],
  ] as const) {
    it(`is recognised by its kind: of ${of}`, () => {
      expect(kindOf(new ErrorReply(message))).to.equal(kind);
    });
  }

  it('says what is refused, and which refusals pass', () => {
    const told = (kind: string) => {
      const error = passingRefusal(kind, undefined);
      return error && `${error.code}: ${error.message}`;
    };
    expect(told('OOM')).to.match(/^storage_full: Redis is full/);
    expect(told('MISCONF')).to.equal('log_unavailable: Redis accepts no writes at the moment (MISCONF)');
    expect(told('LOADING')).to.equal('log_unavailable: Redis accepts no commands at the moment (LOADING)');
    expect(told('WRONGTYPE')).to.equal(undefined);
  });
});
