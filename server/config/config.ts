/** The configuration of a node, in groups, one for each module that takes it. `variables.ts` lists the variables. */
import { hostname } from 'node:os';
import type { StoredKeys } from '../auth/api-keys.js';
import type { GateLimits } from '../auth/gate.js';
import type { TokenKeyConfig } from '../auth/verifier.js';
import type { HubLimits } from '../hub/hub.js';
import { DEFAULT_STREAMS, type StreamConfig } from '../hub/streams.js';
import { checkAccess, readApiKeys, readPublicKey } from './access-config.js';
import { readStreams, tooSmallFor } from './streams-file.js';
import { readTracing, type TracingConfig } from './tracing-config.js';
import { type Environment, readVariables, VARIABLES, type ValuesOf } from './variables.js';

export interface Config {
  readonly node: {
    /** Unique in the cluster. */
    readonly id: string;
    /** Longest time over which a stopping node spreads the closing of its connections. */
    readonly drainMs: number;
    /** How long the event loop may stand still before the process ends itself. 0: for ever. */
    readonly watchdogMs: number;
  };
  readonly http: {
    readonly host: string;
    /** 0 picks a free port. */
    readonly port: number;
    /** Path below which a proxy serves the hub, without a slash at the end. Empty: none. */
    readonly basePath: string;
    /** Proxies whose X-Forwarded-For is trusted: `loopback`, `uniquelocal`, addresses, networks. */
    readonly trustedProxies: readonly string[];
    /** Whether they were named, and are not the default. */
    readonly behindProxy: boolean;
    /** Bearer token that `/metrics` requires. Empty: it is open to private networks and administrators. */
    readonly metricsToken: string;
  };
  /** Empty: a single node, with its log in memory. */
  readonly redis: { readonly url: string };
  /** Empty: none. */
  readonly archive: { readonly url: string };
  readonly logging: { readonly level: ValuesOf<typeof VARIABLES>['LOG_LEVEL'] };
  readonly streams: readonly StreamConfig[];
  readonly feeds: { readonly isOn: boolean; readonly intervalMs: number };
  readonly access: {
    /** No kind of token or key is configured: only this machine is served, and it may read everything. */
    readonly development: boolean;
    readonly apiKeys: StoredKeys;
    /** Where they come from. Empty: there are none. */
    readonly apiKeysFile: string;
    /** Where a node without Redis keeps revocations and bans. */
    readonly revocations: {
      /** Undefined: in memory alone. */
      readonly file: string | undefined;
      /** Whether the file was asked for, so that the node must not start without it. */
      readonly isChosen: boolean;
    };
    /** For development. Empty: a new one is made at each start. */
    readonly publishKey: string;
    /** Other origins whose pages may use the hub; `*`: all of them. */
    readonly allowedOrigins: readonly string[];
  };
  readonly tokens: TokenKeyConfig & {
    /** Whether the key set may be fetched in clear from another machine. */
    readonly jwksInsecure: boolean;
    readonly audience: string;
    /** Empty: any. */
    readonly issuer: string;
    /** Longest remaining lifetime of a token that is accepted, and so the time that a revocation is kept. */
    readonly maxLifeMs: number;
    /** How far the clock of the issuer may be from the hub's. */
    readonly leewayMs: number;
  };
  /** What addresses, subjects and connections may do. */
  readonly rates: GateLimits;
  /** What a node holds and does for its connections. */
  readonly limits: HubLimits;
  readonly publishing: {
    /** Largest `data` of a message, as JSON. */
    readonly maxMessageBytes: number;
    readonly maxBatchItems: number;
    readonly maxBatchBytes: number;
  };
  readonly transports: {
    /** New connections of all transports. */
    readonly handshakesPerSecond: number;
    /** Most topics of one event stream. */
    readonly topicsPerEventStream: number;
    /** How long a Socket.IO client may be disconnected and still be recovered. */
    readonly sessionMs: number;
    /** What the sessions of a node’s clients may take in the store. */
    readonly sessionsMaxBytes: number;
    readonly pingIntervalMs: number;
    readonly pingTimeoutMs: number;
    /** Whether messages go directly to the socket while the transport’s own buffer is empty. */
    readonly direct: boolean;
  };
  /** Undefined if tracing is off. */
  readonly tracing?: TracingConfig;
}

/** All mistakes of a configuration, one line each. */
export class ConfigError extends Error {
  readonly mistakes: readonly string[];

  constructor(mistakes: readonly string[]) {
    super(mistakes.join('\n'));
    this.name = 'ConfigError';
    this.mistakes = mistakes;
  }

  /** What a program prints before it exits because of them. */
  get report(): string {
    return `The configuration is invalid:\n${this.mistakes.map((mistake) => `  ${mistake}`).join('\n')}\n`;
  }
}

/** The configured secrets, which no line of the log may show. */
export function secretsOf({ tokens, http, access }: Config): string[] {
  return [tokens.secret, http.metricsToken, access.publishKey];
}

/**
 * Reads the configuration from an environment. Empty variables count as not set.
 *
 * @throws ConfigError with every mistake, not only the first.
 */
export function readConfig(environment: Environment): Config {
  const mistakes: string[] = [];
  const values = readVariables(VARIABLES, environment, mistakes);
  const { STREAMS_FILE, API_KEYS_FILE } = environment;
  const streams = STREAMS_FILE ? readStreams(STREAMS_FILE, mistakes) : DEFAULT_STREAMS;
  mistakes.push(...streams.flatMap((stream) => tooSmallFor(stream, values.MAX_MESSAGE_BYTES)));
  const apiKeys = API_KEYS_FILE ? readApiKeys(API_KEYS_FILE, mistakes) : {};
  const publicKey = readPublicKey(values.JWT_PUBLIC_KEY, mistakes);
  const development = checkAccess(environment, environment.HOST || VARIABLES.HOST.default, mistakes);
  const tracing = readTracing(environment, mistakes);
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  return {
    ...inGroups(values, { publicKey, development, apiKeys }),
    streams,
    ...(tracing === undefined ? {} : { tracing }),
  };
}

/** @param read what comes from files, and what only several variables together can say */
function inGroups(
  values: ValuesOf<typeof VARIABLES>,
  read: { publicKey: string; development: boolean; apiKeys: StoredKeys },
): Omit<Config, 'streams' | 'tracing'> {
  return {
    node: {
      id: values.NODE_ID || `${hostname()}-${process.pid}`,
      drainMs: values.DRAIN_MS,
      watchdogMs: values.WATCHDOG_MS,
    },
    http: {
      host: values.HOST,
      port: values.PORT,
      basePath: values.BASE_PATH,
      trustedProxies: values.TRUST_PROXY.length > 0 ? values.TRUST_PROXY : ['loopback'],
      behindProxy: values.TRUST_PROXY.length > 0,
      metricsToken: values.METRICS_TOKEN,
    },
    redis: { url: values.REDIS_URL },
    archive: { url: values.ARCHIVE_URL },
    logging: { level: values.LOG_LEVEL },
    feeds: { isOn: values.FEEDS, intervalMs: values.FEEDS_INTERVAL_MS },
    access: {
      development: read.development,
      apiKeys: read.apiKeys,
      apiKeysFile: values.API_KEYS_FILE,
      revocations: {
        file: values.REVOCATIONS_FILE === 'none' ? undefined : values.REVOCATIONS_FILE,
        isChosen: values.REVOCATIONS_FILE !== VARIABLES.REVOCATIONS_FILE.default,
      },
      publishKey: values.PUBLISH_KEY,
      allowedOrigins: values.ALLOWED_ORIGINS,
    },
    tokens: {
      secret: values.JWT_SECRET,
      publicKey: read.publicKey,
      jwksUrl: values.JWKS_URL,
      jwksInsecure: values.JWKS_INSECURE,
      issuer: values.JWT_ISSUER,
      audience: values.JWT_AUDIENCE,
      maxLifeMs: values.TOKEN_MAX_LIFE_MS,
      leewayMs: values.JWT_LEEWAY_MS,
    },
    rates: {
      connectionsPerAddress: values.MAX_CONNECTIONS_PER_ADDRESS,
      connectionsPerSubject: values.MAX_CONNECTIONS_PER_SUBJECT,
      handshakesPerSecond: values.MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS,
      requestsPerAddress: values.MAX_REQUESTS_PER_SECOND_PER_ADDRESS,
      requestsPerSubject: values.MAX_REQUESTS_PER_SECOND_PER_SUBJECT,
      requestsPerSecond: values.MAX_REQUESTS_PER_SECOND_PER_CONNECTION,
      publishesPerSecond: values.MAX_PUBLISHES_PER_SECOND_PER_CONNECTION,
      publishesPerSubject: values.MAX_PUBLISHES_PER_SECOND_PER_SUBJECT,
      unauthenticatedMs: values.UNAUTHENTICATED_MS,
    },
    limits: {
      connectionBudgetBytes: values.CONNECTION_BUDGET_BYTES,
      windowBytes: values.WINDOW_BYTES,
      topicsPerConnection: values.MAX_TOPICS_PER_CONNECTION,
      topicsPerAnonymousConnection: values.MAX_TOPICS_PER_ANONYMOUS_CONNECTION,
      recoveryMaxMessages: values.RECOVERY_MAX_MESSAGES,
      topCheckMs: values.TOP_CHECK_MS,
      concurrentBackfills: values.MAX_CONCURRENT_BACKFILLS,
      flushWindowMs: values.FLUSH_WINDOW_MS,
    },
    publishing: {
      maxMessageBytes: values.MAX_MESSAGE_BYTES,
      maxBatchItems: values.MAX_BATCH_ITEMS,
      maxBatchBytes: values.MAX_BATCH_BYTES,
    },
    transports: {
      handshakesPerSecond: values.MAX_HANDSHAKES_PER_SECOND,
      topicsPerEventStream: values.MAX_TOPICS_PER_EVENT_STREAM,
      sessionMs: values.SESSION_MS,
      sessionsMaxBytes: values.SESSIONS_MAX_BYTES,
      pingIntervalMs: values.PING_INTERVAL_MS,
      pingTimeoutMs: values.PING_TIMEOUT_MS,
      direct: values.FAST_PATH,
    },
  };
}
