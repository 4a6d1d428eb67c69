/** `token`: mints a token or a key. */
import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { createApiKey } from '../auth/api-keys.js';
import { Grants } from '../auth/grants.js';
import { mintToken } from '../auth/mint.js';
import { readConfig } from '../config/config.js';
import type { Environment } from '../config/variables.js';
import { UsageError } from './exit-codes.js';
import { messageOf, type Terminal } from './output.js';

const USAGE = `Mints a token for a hub with the same JWT_SECRET, or a key for its API_KEYS_FILE.

  npm run token -- --sub NAME [--subscribe TOPIC …] [--publish TOPIC …] [--expires-in 1h] [--admin]
  npm run token -- --api-key --sub NAME [--subscribe TOPIC …] [--publish TOPIC …] [--admin]

  --sub NAME         whose token or key it is
  --subscribe TOPIC  a topic that may be read, "market:AAPL" or "market:*"; may be repeated; {sub} is replaced by NAME
  --publish TOPIC    a topic that may be published to
  --expires-in TIME  30s, 15m, 1h, 7d; default 1h
  --admin            may revoke tokens, and list and close connections
  --api-key          a key that does not expire, with its entry for API_KEYS_FILE
  --help             this text

JWT_SECRET, JWT_ISSUER and JWT_AUDIENCE are read from the environment. The token has an id (jti) by which it can be revoked.
`;

const UNITS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3_600, d: 86_400 };

interface TokenOptions {
  readonly sub?: string;
  readonly subscribe: readonly string[];
  readonly publish: readonly string[];
  readonly expiresIn: string;
  readonly admin: boolean;
  readonly apiKey: boolean;
}

export function addToken(program: Command, terminal: Terminal, environment: Environment): void {
  const each = (topic: string, before: readonly string[]) => [...before, topic];
  program
    .command('token')
    .description('mints a token, or a key for a service')
    .option('--sub <name>', 'whose it is')
    .option('--subscribe <topic>', 'a topic that may be read', each, [])
    .option('--publish <topic>', 'a topic that may be published to', each, [])
    .option('--expires-in <time>', 'how long it lasts', '1h')
    .option('--admin', 'may revoke tokens, and list and close connections', false)
    .option('--api-key', 'a key that does not end', false)
    .configureHelp({ formatHelp: () => USAGE })
    .action(async (options: TokenOptions) => {
      if (options.apiKey) mintKey(options, terminal);
      else terminal.print(await mint(options, environment));
    });
}

function mintKey(options: TokenOptions, terminal: Terminal): void {
  const { sub, streams } = grantsOf(options);
  const { key, hash } = createApiKey();
  const entry = { [sub]: { hash, streams, ...(options.admin ? { admin: true } : {}) } };
  terminal.error(
    `For API_KEYS_FILE:\n${JSON.stringify(entry, null, 2)}\n\nThe key, which is not stored anywhere:`,
  );
  terminal.print(key);
}

async function mint(options: TokenOptions, environment: Environment): Promise<string> {
  const { sub, streams } = grantsOf(options);
  // HOST is irrelevant here: nothing listens.
  const { secret, issuer, audience } = readConfig({ ...environment, HOST: '' }).tokens;
  if (secret === '') {
    throw new UsageError(
      'JWT_SECRET is not set; it must be the hub’s. A hub without one prints a publish key and needs no tokens.',
    );
  }
  return mintToken({
    secret,
    issuer,
    audience,
    sub,
    jti: randomUUID(),
    lastsS: seconds(options.expiresIn),
    streams,
    admin: options.admin,
  });
}

/** @throws UsageError for a topic that is none, or without a name */
function grantsOf({ sub, subscribe, publish }: TokenOptions) {
  if (sub === undefined) throw new UsageError('--sub is missing: whose token is it?');
  try {
    for (const patterns of [subscribe, publish]) new Grants(patterns, sub);
  } catch (error) {
    throw new UsageError(messageOf(error));
  }
  return { sub, streams: { subscribe, publish } };
}

function seconds(text: string): number {
  const [, count = '', unit = ''] = /^(\d+)([smhd])$/.exec(text) ?? [];
  const factor = UNITS[unit];
  if (factor === undefined)
    throw new UsageError(`--expires-in: "${text}" is not a time like 30s, 15m, 1h, 7d`);
  return Number(count) * factor;
}
