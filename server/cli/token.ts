/** `npm run token`: mints a token or a key. */
import { randomUUID } from 'node:crypto';
import { parseArgs } from 'node:util';
import { createApiKey } from '../auth/api-keys.js';
import { Grants } from '../auth/grants.js';
import { mintToken } from '../auth/mint.js';
import { ConfigError, readConfig } from '../config/config.js';

const USAGE = `Mints a token for a hub with the same JWT_SECRET, or a key for its API_KEYS_FILE.

  npm run token -- --sub NAME [--subscribe TOPIC …] [--publish TOPIC …] [--expires-in 1h] [--admin]
  npm run token -- --api-key --sub NAME [--subscribe TOPIC …] [--publish TOPIC …] [--admin]

  --sub NAME         whose it is
  --subscribe TOPIC  a topic that may be read, "market:AAPL" or "market:*"; may be repeated; {sub} stands for the name
  --publish TOPIC    a topic that may be published to
  --expires-in TIME  30s, 15m, 1h, 7d; default 1h
  --admin            may revoke tokens, and see and cut connections
  --api-key          a key that does not end, with the entry for API_KEYS_FILE
  --help             this text

JWT_SECRET, JWT_ISSUER and JWT_AUDIENCE are read from the environment. The token has an id (jti) and can be revoked by it.
`;

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

/** What was typed makes no sense. */
class UsageError extends Error {}

async function main(): Promise<void> {
  const { help, sub, subscribe, publish, admin, ...options } = readArguments();
  if (help) {
    process.stdout.write(USAGE);
    return;
  }
  if (sub === undefined) throw new UsageError('--sub is missing: whose token is it?');
  const streams = { subscribe, publish };
  try {
    for (const patterns of [subscribe, publish]) new Grants(patterns, sub);
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (options['api-key']) {
    const { key, hash } = createApiKey();
    const entry = { [sub]: { hash, streams, ...(admin ? { admin } : {}) } };
    process.stderr.write(
      `For API_KEYS_FILE:\n${JSON.stringify(entry, null, 2)}\n\nThe key, which is stored nowhere:\n`,
    );
    process.stdout.write(`${key}\n`);
    return;
  }
  // HOST is the hub's affair: here nothing listens.
  const { secret, issuer, audience } = readConfig({ ...process.env, HOST: '' }).tokens;
  if (secret === '') {
    throw new UsageError(
      'JWT_SECRET is not set: give it the hub’s. A hub without one prints a publish key, and needs no tokens.',
    );
  }
  const token = await mintToken({
    secret,
    issuer,
    audience,
    sub,
    jti: randomUUID(),
    lastsS: seconds(options['expires-in']),
    streams,
    admin,
  });
  process.stdout.write(`${token}\n`);
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        sub: { type: 'string' },
        subscribe: { type: 'string', multiple: true, default: [] },
        publish: { type: 'string', multiple: true, default: [] },
        'expires-in': { type: 'string', default: '1h' },
        admin: { type: 'boolean', default: false },
        'api-key': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
}

function seconds(text: string): number {
  const [, count = '', unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined) throw new UsageError(`--expires-in: "${text}" is no time like 30s, 15m, 1h, 7d`);
  return Number(count) * factor;
}

main().catch((error: unknown) => {
  if (error instanceof UsageError) process.stderr.write(`${error.message}\n\n${USAGE}`);
  else if (error instanceof ConfigError)
    process.stderr.write(`The configuration is wrong:\n${error.message}\n`);
  else process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(2);
});
