/**
 * The environment variables of a node: one table, which README's is held to by a spec. What they become in the code is
 * in `config.ts`.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { parseRedisUrl } from '../redis/target.js';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** The environment of a process, or one that stands for it. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Variable {
  /** Text of the default as the README shows it. */
  readonly default: string;
  readonly description: string;
  /** Reads the text of the variable. */
  readonly schema: z.ZodType;
  /** No report repeats its value. */
  readonly isSecret: boolean;
}

/** A row of a table of variables, with the type of its value. */
export function variable<T extends z.ZodType>(defaultText: string, description: string, schema: T) {
  return { default: defaultText, description, schema, isSecret: false } satisfies Variable;
}

/** A row whose value is a secret, or holds one. */
export function secret<T extends z.ZodType>(defaultText: string, description: string, schema: T) {
  return { default: defaultText, description, schema, isSecret: true } satisfies Variable;
}

/** The values of a table of variables, by the names of the variables. */
export type ValuesOf<Table extends Readonly<Record<string, Variable>>> = {
  readonly [Name in keyof Table]: z.output<Table[Name]['schema']>;
};

/**
 * Reads the variables of a table. Those that are empty count as not set.
 *
 * @param mistakes where one line is added for each variable that cannot be read
 * @returns their values; meaningless where a mistake was added
 */
export function readVariables<Table extends Readonly<Record<string, Variable>>>(
  table: Table,
  environment: Environment,
  mistakes: string[],
): ValuesOf<Table> {
  const values: Record<string, unknown> = {};
  for (const [name, { schema, default: defaultText, isSecret }] of Object.entries(table)) {
    const text = environment[name] || defaultText;
    const { success, data, error } = schema.safeParse(text);
    if (success) values[name] = data;
    else mistakes.push(`${name}: ${error.issues[0]?.message} (it is "${isSecret ? '…' : text}")`);
  }
  return values as ValuesOf<Table>;
}

/** A whole number within bounds, both included. */
export function whole(min: number, max: number) {
  return z
    .string()
    .regex(/^\d+$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.number().min(min, `must be at least ${min}`).max(max, `must be at most ${max}`));
}

const onOff = z.enum(['on', 'off'], 'must be "on" or "off"').transform((value) => value === 'on');

/** As Express reads them: a name, an address, or a network in CIDR form. */
function isProxy(text: string): boolean {
  if (['loopback', 'linklocal', 'uniquelocal'].includes(text)) return true;
  const [address = '', bits, ...rest] = text.split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128));
}

function isOrigin(text: string): boolean {
  return text === '*' || (!text.includes('*') && URL.canParse(text) && new URL(text).origin === text);
}

/** What an HMAC is worth depends on its secret: shorter ones can be guessed. */
const MIN_SECRET_BYTES = 32;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Every variable, in the order of the README. Each schema reads text; the default is text as well. */
export const VARIABLES = {
  HOST: variable('127.0.0.1', 'Address to listen on.', z.string().min(1)),
  PORT: variable('8001', 'Port to listen on; 0 takes a free one.', whole(0, 65_535)),
  BASE_PATH: variable(
    '',
    'Path below which a proxy serves the hub, e.g. `/hub`, whether the proxy strips it or not. Empty: `/`.',
    z.string().regex(/^((\/[A-Za-z0-9._~-]+)+)?$/, 'must be like "/hub": a slash first, none at the end'),
  ),
  NODE_ID: variable(
    '',
    'Name of this node, unique in its cluster. Empty: made from host name and process id.',
    z.string().regex(/^[A-Za-z0-9._-]{0,64}$/, 'may have 64 of A-Z a-z 0-9 . _ -'),
  ),
  REDIS_URL: secret(
    '',
    'Redis for the stream log and the cluster: `redis://…`, `redis+sentinel://host,host/master` or `redis+cluster://host,host`. Empty: one node with a log in memory.',
    z.string().superRefine((text, context) => {
      try {
        if (text !== '') parseRedisUrl(text);
      } catch (error) {
        context.addIssue({ code: 'custom', message: (error as Error).message });
      }
    }),
  ),
  ARCHIVE_URL: secret(
    '',
    'PostgreSQL with the archive, `postgres://…`: what the log has trimmed of streams with `"archive": true` is read there. Empty: none.',
    z.string().regex(/^$|^postgres(ql)?:\/\/.+/, 'must begin with postgres://'),
  ),
  STREAMS_FILE: variable(
    '',
    'JSON file with the streams. Empty: market, news, portfolio, signals, system.',
    z.string(),
  ),
  FEEDS: variable('on', 'Demo feeds, `on` or `off`.', onOff),
  FEEDS_INTERVAL_MS: variable('1000', 'Time between two steps of the replayed prices.', whole(10, 3_600_000)),
  LOG_LEVEL: variable(
    'info',
    `One of ${LOG_LEVELS.join(', ')}.`,
    z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`),
  ),
  TRUST_PROXY: variable(
    'loopback',
    'Proxies whose X-Forwarded-For is believed: `loopback`, `uniquelocal`, addresses or networks, comma-separated.',
    z
      .string()
      .transform((list) =>
        list
          .split(',')
          .map((proxy) => proxy.trim())
          .filter(Boolean),
      )
      .refine(
        (list) => list.every(isProxy),
        'must name `loopback`, `linklocal`, `uniquelocal`, addresses or networks',
      ),
  ),
  JWT_SECRET: secret(
    '',
    'Secret of HS256 tokens, 32 bytes or more.',
    z.string().refine((text) => text === '' || Buffer.byteLength(text) >= MIN_SECRET_BYTES, {
      message: `must have ${MIN_SECRET_BYTES} bytes or more; \`openssl rand -base64 32\` makes one`,
    }),
  ),
  JWT_PUBLIC_KEY: secret(
    '',
    'Public key of RS256, ES256 or EdDSA tokens: PEM, or the path of a PEM file.',
    z.string(),
  ),
  JWKS_URL: variable(
    '',
    'Address of the key set of RS256, ES256 or EdDSA tokens.',
    z.string().regex(/^$|^https?:\/\/.+/, 'must begin with http:// or https://'),
  ),
  JWT_ISSUER: variable(
    '',
    '`iss` that tokens must have. Empty: it is not looked at; with `JWKS_URL` it must be set.',
    z.string(),
  ),
  JWT_AUDIENCE: variable('axiom-streaming', '`aud` that tokens must have.', z.string()),
  TOKEN_MAX_LIFE_MS: variable(
    '604800000',
    'A token that lasts longer from now is refused; revocations are kept for this time.',
    whole(60_000, 31_536_000_000),
  ),
  API_KEYS_FILE: variable('', 'JSON file with the hashed keys of services.', z.string()),
  PUBLISH_KEY: secret(
    '',
    'Without any of the above: the publish key. Empty: a new one at each start, which is printed.',
    z.string().regex(/^$|^[\x21-\x7e]{16,256}$/, 'must have 16 to 256 characters without spaces'),
  ),
  ALLOWED_ORIGINS: variable(
    '',
    'Origins beside its own whose pages may use the hub, comma-separated; `*`: all of them.',
    z
      .string()
      .transform((list) =>
        list
          .split(',')
          .map((origin) => origin.trim())
          .filter(Boolean),
      )
      .refine((list) => list.every(isOrigin), 'must name origins like https://app.example.com'),
  ),
  METRICS_TOKEN: secret(
    '',
    'Bearer token that `/metrics` asks for. Empty: it is for private networks and administrators.',
    z.string(),
  ),
  DRAIN_MS: variable(
    '5000',
    'Longest time over which a stopping node spreads the end of its connections.',
    whole(0, 30_000),
  ),
  WATCHDOG_MS: variable(
    '10000',
    'How long the event loop may stand still before the node ends itself, so that its clients are served elsewhere; 0: for ever.',
    whole(0, 600_000).refine((ms) => ms === 0 || ms >= 1_000, 'must be 0, or at least 1000'),
  ),
  MAX_MESSAGE_BYTES: variable('65536', 'Largest `data` of a message, as JSON.', whole(1, 16 * MIB)),
  MAX_BATCH_ITEMS: variable('1000', 'Most messages in one batch.', whole(1, 100_000)),
  MAX_BATCH_BYTES: variable('8388608', 'Largest body of a batch.', whole(1, 256 * MIB)),
  MAX_TOPICS_PER_CONNECTION: variable('1000', 'Most topics that one connection reads.', whole(1, 1_000_000)),
  MAX_TOPICS_PER_EVENT_STREAM: variable(
    '1000',
    'Most topics in the address of one `/stream`.',
    whole(1, 10_000),
  ),
  MAX_CONNECTIONS_PER_ADDRESS: variable(
    '500',
    'Most connections of one address to one node.',
    whole(1, 1_000_000),
  ),
  MAX_CONNECTIONS_PER_SUBJECT: variable(
    '1000',
    'Most connections of one subject to one node.',
    whole(1, 1_000_000),
  ),
  MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS: variable(
    '50',
    'Connections that one address may begin each second, and tokens that it may have wrong.',
    whole(1, 1_000_000),
  ),
  MAX_REQUESTS_PER_SECOND_PER_ADDRESS: variable(
    '200',
    'Requests of one address to one node each second, over HTTP and sockets, that publish nothing.',
    whole(1, 1_000_000),
  ),
  MAX_REQUESTS_PER_SECOND_PER_CONNECTION: variable(
    '500',
    'Requests of one connection each second that publish nothing.',
    whole(1, 1_000_000),
  ),
  MAX_PUBLISHES_PER_SECOND_PER_CONNECTION: variable(
    '10000',
    'Messages that one connection may publish each second.',
    whole(1, 10_000_000),
  ),
  MAX_PUBLISHES_PER_SECOND_PER_SUBJECT: variable(
    '100000',
    'Messages that one subject may publish each second, in the whole cluster.',
    whole(1, 10_000_000),
  ),
  UNAUTHENTICATED_MS: variable(
    '5000',
    'How long a connection may be there without a token and read nothing; 0: for ever.',
    whole(0, 600_000),
  ),
  CONNECTION_BUDGET_BYTES: variable(
    '1048576',
    'What may wait for one connection before it is slow: conflated, told a gap or cut, by the class of each stream.',
    whole(64 * KIB, GIB),
  ),
  WINDOW_BYTES: variable(
    '16777216',
    'Recent messages that a node keeps in memory, per stream.',
    whole(0, 4 * GIB),
  ),
  RECOVERY_MAX_MESSAGES: variable(
    '100000',
    'Messages of a stream that one recovery may walk over; more is answered with `limit`.',
    whole(1, 10_000_000),
  ),
  MAX_CONCURRENT_BACKFILLS: variable(
    '32',
    'Connections of a node that are brought up to date at a time; the others take turns.',
    whole(1, 100_000),
  ),
  MAX_HANDSHAKES_PER_SECOND: variable(
    '1000',
    'New connections that a node takes per second; beyond it they are answered with 503.',
    whole(1, 1_000_000),
  ),
  SESSION_MS: variable(
    '120000',
    'How long a Socket.IO client may be away and still be recovered.',
    whole(1_000, 86_400_000),
  ),
  TOP_CHECK_MS: variable(
    '3000',
    'Time between two comparisons of a node with the top of the log.',
    whole(50, 60_000),
  ),
  FLUSH_WINDOW_MS: variable(
    '10',
    'Longest time that a message waits under load to be written together with others; 0: never.',
    whole(0, 1000),
  ),
  FAST_PATH: variable(
    'on',
    'Write past the transports’ own buffers while they are empty. `off` is for diagnosis.',
    onOff,
  ),
  PING_INTERVAL_MS: variable(
    '15000',
    'Heartbeat of Socket.IO and WebSocket connections. NGINX takes a connection for dead after 20 s of silence, so at most 15000 behind it.',
    whole(100, 300_000),
  ),
  PING_TIMEOUT_MS: variable('20000', 'Time to answer a heartbeat.', whole(100, 300_000)),
} as const satisfies Record<string, Variable>;
