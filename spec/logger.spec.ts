import { spawnSync } from 'node:child_process';
import { expect } from 'chai';

/** Logs in a process of its own: the logger writes to standard error, past any stream that could be listened to. */
function logged(expression: string): string {
  const module = new URL('../server/logger.js', import.meta.url).href;
  const script = `import { createLogger } from '${module}';
    const logger = createLogger('debug', 'node', ['the "secret" of the hub', '']);
    logger.info(${expression}, 'a line');`;
  const { stderr, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    encoding: 'utf8',
  });
  expect(status, stderr).to.equal(0);
  return stderr;
}

describe('The logger', () => {
  it('keeps configured secrets out of everything that is logged', () => {
    const line = logged(
      `{ error: 'connect failed: the "secret" of the hub', deep: { also: 'the "secret" of the hub' } }`,
    );
    expect(line).not.to.include('secret');
    expect(JSON.parse(line)).to.deep.include({
      error: 'connect failed: [redacted]',
      deep: { also: '[redacted]' },
    });
  });

  it('keeps tokens, keys and passwords out, also those it does not know', () => {
    const line = logged(`{
      header: 'Authorization: Bearer abc.def',
      token: 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2ln',
      key: 'axk_0123456789012345678901234567890123456789012',
      url: 'redis://user:pass-word@redis:6379/0',
    }`);
    for (const secret of ['abc.def', 'eyJ', 'axk_', 'pass-word']) expect(line).not.to.include(secret);
    expect(JSON.parse(line)).to.include({ url: 'redis://user:[redacted]@redis:6379/0', msg: 'a line' });
  });
});
