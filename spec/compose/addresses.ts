/**
 * `node dist/spec/compose/addresses.js --url URL --token TOKEN`: asks for every address that the README names, as those
 * would who use it: programs, a browser with the scripts of each page, and a client on each transport. The token is an
 * administrator's. It is a program of its own because a certificate can only be trusted from a process's start
 * (NODE_EXTRA_CA_CERTS). Exit code: 0 where every answer is as it should be, 1 otherwise.
 */
import { parseArgs } from 'node:util';
import { answers } from './answers.js';
import { visitPages } from './pages.js';
import { readEverywhere } from './transports.js';

const { values } = parseArgs({
  options: { url: { type: 'string', default: '' }, token: { type: 'string', default: '' } },
});
const hub = { url: values.url, token: values.token };

try {
  for (const part of [answers, visitPages, readEverywhere]) {
    for await (const line of part(hub)) process.stdout.write(`${line}\n`);
  }
  process.exit(0);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
