/** `npm run conformance -- --url http://…`: the suite against a hub that runs. */

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import Mocha from 'mocha';

const DEFAULT_URL = 'http://localhost:8001';
const ANSWER_WITHIN_MS = 5_000;
const USAGE = `Checks a hub against docs/PROTOCOL.md.

  npm run conformance -- [--url URL] [--token TOKEN] [--grep TEXT]

  --url URL    where the hub is; default ${DEFAULT_URL}
  --token TOKEN  what may read and publish: the publish key of a hub for development, or a token with
               --subscribe and --publish of 'news:*', 'market:*' and 'signals:*'
  --grep TEXT  only the tests whose names contain the text
  --help       this text

It publishes to topics of its own (news:conformance-…), some hundred of them, and reads nothing else. What the hub lacks
is reported as not checked. Exit code: 0 where all tests pass, 1 where one fails, 2 where the hub cannot be checked.
`;

async function main(): Promise<number> {
  const { help, url, token, grep } = readArguments();
  if (help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const mistake = await whyNotChecked(url);
  if (mistake !== undefined) {
    process.stderr.write(`${mistake}\n`);
    return 2;
  }
  process.env.CONFORMANCE_URL = url;
  process.env.CONFORMANCE_TOKEN = token;
  const mocha = new Mocha({ timeout: 20_000, slow: 2_000, ...(grep === undefined ? {} : { fgrep: grep }) });
  mocha.addFile(fileURLToPath(new URL('conformance.js', import.meta.url)));
  await mocha.loadFilesAsync();
  const failures = await new Promise<number>((resolve) => mocha.run(resolve));
  return failures === 0 ? 0 : 1;
}

function readArguments() {
  try {
    const { values } = parseArgs({
      options: {
        url: { type: 'string', default: DEFAULT_URL },
        token: { type: 'string', default: '' },
        grep: { type: 'string' },
        help: { type: 'boolean', default: false },
      },
    });
    return values;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}\n\n${USAGE}`);
    process.exit(2);
  }
}

/** One line on why nothing can be checked at a URL, or undefined. */
async function whyNotChecked(url: string): Promise<string | undefined> {
  if (!/^https?:\/\//.test(url) || !URL.canParse(url)) {
    return `"${url}" is no URL of a hub; one is ${DEFAULT_URL}`;
  }
  const where = `${url.replace(/\/+$/, '')}/api/streams`;
  try {
    const response = await fetch(where, { signal: AbortSignal.timeout(ANSWER_WITHIN_MS) });
    await response.arrayBuffer();
    return response.ok
      ? undefined
      : `${where} answers ${response.status}: this is no hub, or it is not ready`;
  } catch (error) {
    const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
    return `${where} does not answer: ${cause?.code ?? cause?.message ?? message}`;
  }
}

// Connections of the tests are closed; a keep-alive of an HTTP call must not hold the process.
main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.stack : error}\n`);
    process.exit(2);
  },
);
