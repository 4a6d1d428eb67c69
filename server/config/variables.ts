/**
 * The environment variables of a node, in one table; a spec checks that README's table is the same. `config.ts` says
 * what they become in the code.
 */
import { isIP } from 'node:net';
import { z } from 'zod';
import { parseRedisUrl } from '../redis/target.js';

const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** The environment of a process, or a substitute for it. */
export type Environment = Readonly<Record<string, string | undefined>>;

export interface Variable {
  /** Default, as text; the README shows it. */
  readonly default: string;
  readonly description: string;
  /** Reads the text of the variable. */
  readonly schema: z.ZodType;
  /** Whether error messages must not repeat the value. */
  readonly isSecret: boolean;
}

/** A row of a table of variables, with the type of its value. */
export function variable<T extends z.ZodType>(defaultText: string, description: string, schema: T) {
  return { default: defaultText, description, schema, isSecret: false } satisfies Variable;
}

/** A row whose value is a secret, or contains one. */
export function secret<T extends z.ZodType>(defaultText: string, description: string, schema: T) {
  return { default: defaultText, description, schema, isSecret: true } satisfies Variable;
}

/** The values of a table of variables, by the names of the variables. */
export type ValuesOf<Table extends Readonly<Record<string, Variable>>> = {
  readonly [Name in keyof Table]: z.output<Table[Name]['schema']>;
};

/**
 * Reads the variables of a table. Empty ones count as not set.
 *
 * @param mistakes gets one line for each variable that cannot be read
 * @returns their values; meaningless if a mistake was added
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

/** A whole number from `min` to `max`, both inclusive. */
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

/** An HMAC is only as strong as its secret: a shorter one can be guessed. */
const MIN_SECRET_BYTES = 32;
const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;

/** Every variable, in the order of the README. Each schema reads text; the default is text as well. */
export const VARIABLES = {
  HOST: variable('127.0.0.1', 'Address to listen on.', z.string().min(1)),
  PORT: variable('8001', 'Port to listen on; 0 picks a free one.', whole(0, 65_535)),
  BASE_PATH: variable(
    '',
    'Path below which a proxy serves the hub, e.g. `/hub`, whether the proxy strips it or not. Empty: `/`.',
    z.string().regex(/^((\/[A-Za-z0-9._~-]+)+)?$/, 'must be like "/hub": a slash first, none at the end'),
  ),
  NODE_ID: variable(
    '',
    'Name of this node, unique in its cluster. Empty: made from the host name and the process id.',
    z.string().regex(/^[A-Za-z0-9._-]{0,64}$/, 'may have 64 of A-Z a-z 0-9 . _ -'),
  ),
  REDIS_URL: secret(
    '',
    'Redis for the stream log and the cluster: `redis://…`, `redis+sentinel://host,host/master` or `redis+cluster://host,host`. Empty: a single node with its log in memory.',
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
    'PostgreSQL with the archive, `postgres://…`: messages of streams with `"archive": true` are read from it after the log has trimmed them. Empty: none.',
    z.string().regex(/^$|^postgres(ql)?:\/\/.+/, 'must begin with postgres://'),
  ),
  STREAMS_FILE: variable(
    '',
    'JSON file that defines the streams. Empty: market, news, portfolio, signals, system.',
    z.string(),
  ),
  FEEDS: variable('on', 'Demo feeds, `on` or `off`.', onOff),
  FEEDS_INTERVAL_MS: variable(
    '1000',
    'Time between two steps of the replayed prices, in ms.',
    whole(10, 3_600_000),
  ),
  LOG_LEVEL: variable(
    'info',
    `One of ${LOG_LEVELS.join(', ')}.`,
    z.enum(LOG_LEVELS, `must be one of ${LOG_LEVELS.join(', ')}`),
  ),
  TRUST_PROXY: variable(
    '',
    'Proxies whose X-Forwarded-For is trusted: `loopback`, `uniquelocal`, addresses or networks, comma-separated. Empty: `loopback`, and a hub without a secret refuses what came through a proxy.',
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
    'Secret that signs HS256 tokens, 32 bytes or more.',
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
    'URL of the key set (JWKS) of RS256, ES256 or EdDSA tokens; https, unless it is on this machine. Redirects are not followed.',
    z.string().regex(/^$|^https?:\/\/.+/, 'must begin with http:// or https://'),
  ),
  JWKS_INSECURE: variable(
    'off',
    'Allows a `JWKS_URL` of another machine without https, `on` or `off`: only for a network in which nobody can change what is fetched.',
    onOff,
  ),
  JWT_ISSUER: variable(
    '',
    '`iss` that tokens must have. Empty: it is not checked; with `JWKS_URL` it must be set.',
    z.string(),
  ),
  JWT_AUDIENCE: variable('axiom-streaming', '`aud` that tokens must have.', z.string()),
  JWT_LEEWAY_MS: variable(
    '5000',
    'How far the clock of the issuer of tokens may be from the hub’s: `nbf`, `iat` and `exp` are read with it.',
    whole(0, 300_000),
  ),
  TOKEN_MAX_LIFE_MS: variable(
    '604800000',
    'Longest remaining lifetime of a token that is accepted; revocations of tokens are kept for this time.',
    whole(60_000, 31_536_000_000),
  ),
  API_KEYS_FILE: variable(
    '',
    'JSON file with the hashed API keys of services. It is read again on SIGHUP.',
    z.string(),
  ),
  REVOCATIONS_FILE: variable(
    'axiom-revocations.json',
    'File in which a node without Redis keeps revocations and bans, in the folder it runs in unless the path says otherwise; `none`: a restart forgets them.',
    z.string(),
  ),
  PUBLISH_KEY: secret(
    '',
    'The publish key, if none of the above is set. Empty: a new one is made and printed at each start.',
    z.string().regex(/^$|^[\x21-\x7e]{16,256}$/, 'must have 16 to 256 characters without spaces'),
  ),
  ALLOWED_ORIGINS: variable(
    '',
    'Other origins whose pages may use the hub, comma-separated; `*`: all of them.',
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
    'Bearer token that `/metrics` and the details of `/health` require. Empty: they are open to private networks and administrators.',
    z.string(),
  ),
  DRAIN_MS: variable(
    '5000',
    'Longest time over which a stopping node spreads the closing of its connections.',
    whole(0, 30_000),
  ),
  WATCHDOG_MS: variable(
    '10000',
    'How long the event loop may stand still before the node ends itself, so that other nodes serve its clients; 0: forever.',
    whole(0, 600_000).refine((ms) => ms === 0 || ms >= 1_000, 'must be 0, or at least 1000'),
  ),
  MAX_MESSAGE_BYTES: variable('65536', 'Largest `data` of a message, as JSON.', whole(1, 16 * MIB)),
  MAX_BATCH_ITEMS: variable('1000', 'Most messages in one batch.', whole(1, 100_000)),
  MAX_BATCH_BYTES: variable('8388608', 'Largest body of a batch, in bytes.', whole(1, 256 * MIB)),
  MAX_TOPICS_PER_CONNECTION: variable(
    '1000',
    'Most topics that one connection may read.',
    whole(1, 1_000_000),
  ),
  MAX_TOPICS_PER_ANONYMOUS_CONNECTION: variable(
    '250',
    'Most topics that a Socket.IO or WebSocket connection without a token may read.',
    whole(1, 1_000_000),
  ),
  MAX_TOPICS_PER_EVENT_STREAM: variable('1000', 'Most topics of one event stream.', whole(1, 10_000)),
  MAX_CONNECTIONS_PER_ADDRESS: variable(
    '1000',
    'Most connections from one address to one node.',
    whole(1, 1_000_000),
  ),
  MAX_CONNECTIONS_PER_SUBJECT: variable(
    '1000',
    'Most connections of one subject to one node.',
    whole(1, 1_000_000),
  ),
  MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS: variable(
    '50',
    'Connections that one address may open per second, and invalid tokens that it may present.',
    whole(1, 1_000_000),
  ),
  MAX_REQUESTS_PER_SECOND_PER_ADDRESS: variable(
    '200',
    'Requests from one address to one node per second, over HTTP and sockets, except publications. Work that costs more counts as several: PROTOCOL.md has the table.',
    whole(1, 1_000_000),
  ),
  MAX_REQUESTS_PER_SECOND_PER_SUBJECT: variable(
    '1000',
    'As above, of one subject, from all addresses, also from this machine.',
    whole(1, 1_000_000),
  ),
  MAX_REQUESTS_PER_SECOND_PER_CONNECTION: variable(
    '500',
    'Requests from one connection per second, except publications.',
    whole(1, 1_000_000),
  ),
  MAX_PUBLISHES_PER_SECOND_PER_CONNECTION: variable(
    '10000',
    'Messages that one connection may publish per second.',
    whole(1, 10_000_000),
  ),
  MAX_PUBLISHES_PER_SECOND_PER_SUBJECT: variable(
    '100000',
    'Messages that one subject may publish per second, in the whole cluster.',
    whole(1, 10_000_000),
  ),
  UNAUTHENTICATED_MS: variable(
    '5000',
    'How long a connection without a token may stay where no stream is public; 0: forever.',
    whole(0, 600_000),
  ),
  CONNECTION_BUDGET_BYTES: variable(
    '1048576',
    'Bytes that may wait for one connection before it is slow; then, by the class of each stream, it is conflated, told of a gap or closed.',
    whole(64 * KIB, GIB),
  ),
  WINDOW_BYTES: variable(
    '16777216',
    'Recent messages that a node keeps in memory, in bytes per stream.',
    whole(0, 4 * GIB),
  ),
  RECOVERY_MAX_MESSAGES: variable(
    '100000',
    'Most messages of a stream that one recovery may scan; a longer one is answered with `limit`.',
    whole(1, 10_000_000),
  ),
  MAX_CONCURRENT_BACKFILLS: variable(
    '32',
    'Connections of a node that catch up at the same time; the others wait for their turn.',
    whole(1, 100_000),
  ),
  MAX_HANDSHAKES_PER_SECOND: variable(
    '1000',
    'New connections that a node accepts per second; further ones are answered with 503.',
    whole(1, 1_000_000),
  ),
  SESSION_MS: variable(
    '120000',
    'How long a Socket.IO client may be disconnected and still be recovered.',
    whole(1_000, 86_400_000),
  ),
  SESSIONS_MAX_BYTES: variable(
    '67108864',
    'Sessions of Socket.IO clients that a node keeps, in bytes; an address or a subject may have a quarter. Beyond it those of clients that left first go.',
    whole(MIB, 16 * GIB),
  ),
  TOP_CHECK_MS: variable(
    '3000',
    'Time between two checks whether a node has the newest message of the log.',
    whole(50, 60_000),
  ),
  FLUSH_WINDOW_MS: variable(
    '10',
    'Longest time that a message waits, under load, to be written together with others; 0: it does not wait.',
    whole(0, 1000),
  ),
  FAST_PATH: variable(
    'on',
    'Write directly to the socket while the transport’s own buffer is empty. `off` is for diagnosis.',
    onOff,
  ),
  PING_INTERVAL_MS: variable(
    '15000',
    'Time between two heartbeats of Socket.IO and WebSocket connections. Behind NGINX at most 15000, since it closes a connection after 20 s of silence.',
    whole(100, 300_000),
  ),
  PING_TIMEOUT_MS: variable('20000', 'Time to answer a heartbeat.', whole(100, 300_000)),
} as const satisfies Record<string, Variable>;
