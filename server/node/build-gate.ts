/** Builds the gate from the configuration: a part of the composition root. */
import { randomBytes } from 'node:crypto';
import { resolve } from 'node:path';
import { ALL_KEYS, topicName } from '@axiom-streaming/protocol/topic';
import { ApiKeys, readKeysFile, type StoredKeys, storedHash } from '../auth/api-keys.js';
import type { ReadAccess } from '../auth/claims.js';
import { Gate } from '../auth/gate.js';
import type { LimiterStore } from '../auth/limits.js';
import { LocalRevocationStore, whyNotKept } from '../auth/revocation-file.js';
import { Revocations } from '../auth/revocations.js';
import { MemoryTicketStore, Tickets } from '../auth/tickets.js';
import { TokenVerifier, tokenKey } from '../auth/verifier.js';
import { RedisRevocationStore, RedisTicketStore } from '../cluster/redis-auth.js';
import type { Config } from '../config/config.js';
import type { Logger } from '../logger.js';
import { type RedisLink, type Script, scriptOf } from '../redis/redis-link.js';

export interface BuiltGate {
  readonly gate: Gate;
  readonly revocations: Revocations;
  /** In development: the key that may publish in this run. */
  readonly publishKey: string | undefined;
  /** For people: where a node without Redis keeps revocations. Undefined: in Redis, or there will be none. */
  readonly revocationsKeptIn: string | undefined;
  /**
   * Reads the file of API keys again. Connections whose key was removed end, the others have what their key allows now.
   * With a file that cannot be read everything stays as it is, and the log says why. Without a file nothing happens.
   */
  reloadKeys(): void;
}

/** @throws Error for a public key that cannot be read. */
export async function buildGate(
  config: Config,
  link: RedisLink | undefined,
  logger: Logger,
): Promise<BuiltGate> {
  const read: ReadAccess = new Map(config.streams.map((stream) => [stream.name, stream.read]));
  const { access, tokens } = config;
  const key = await tokenKey(tokens);
  if (tokens.jwksInsecure && tokens.jwksUrl.startsWith('http:')) {
    logger.warn('auth: JWKS_INSECURE is on: whoever is on the way to JWKS_URL can choose the keys of tokens');
  }
  const publishKey = access.development
    ? access.publishKey || randomBytes(18).toString('base64url')
    : undefined;
  const stored = publishKey === undefined ? access.apiKeys : { development: everything(config, publishKey) };
  const apiKeys = new ApiKeys(stored, read);
  const local = link === undefined ? await localStore(config, logger) : undefined;
  const revocations = new Revocations({
    store: link === undefined ? new LocalRevocationStore(local?.file) : new RedisRevocationStore(link),
    logger,
    onChange: () => gate.connections.look(),
  });
  const gate: Gate = new Gate({
    node: config.node.id,
    development: access.development,
    read,
    verifier: key && new TokenVerifier({ ...tokens, ...key, read }),
    apiKeys,
    revocations,
    tickets: new Tickets(link === undefined ? new MemoryTicketStore() : new RedisTicketStore(link), read),
    trustedProxies: config.http.trustedProxies,
    behindProxy: config.http.behindProxy,
    allowedOrigins: access.allowedOrigins,
    limits: config.rates,
    leewayMs: tokens.leewayMs,
    maxTokenLifeMs: tokens.maxLifeMs,
    store: link && limiterStore(link),
  });
  const reloadKeys = () => {
    const { apiKeysFile } = access;
    if (apiKeysFile === '') return;
    try {
      const changes = apiKeys.replace(readKeysFile(apiKeysFile));
      gate.connections.look();
      logger.info({ ...changes }, 'auth: the API keys were read again');
    } catch (error) {
      const why = { file: apiKeysFile, error: String(error) };
      logger.error(why, 'auth: the API keys stay as they were; API_KEYS_FILE cannot be used');
    }
  };
  return { gate, revocations, publishKey, reloadKeys, revocationsKeptIn: local?.keptIn };
}

/**
 * Where a node without Redis keeps revocations. In development nothing that could be revoked outlives the process.
 *
 * @throws Error if they are to be kept in a file, and cannot be
 */
async function localStore(
  { access }: Config,
  logger: Logger,
): Promise<{ file: string | undefined; keptIn: string | undefined }> {
  const { file, isChosen } = access.revocations;
  if (access.development && (file === undefined || !isChosen)) return { file: undefined, keptIn: undefined };
  const why =
    file === undefined
      ? 'REVOCATIONS_FILE is "none"'
      : await whyNotKept(file).catch((error: Error) => {
          throw new Error(`REVOCATIONS_FILE: ${error.message}`, { cause: error });
        });
  if (why === undefined) return { file, keptIn: resolve(file!) };
  if (file !== undefined && isChosen) throw new Error(`REVOCATIONS_FILE: ${why}`);
  logger.warn(
    { why },
    'auth: revocations and bans are forgotten when this node stops; set REVOCATIONS_FILE to a file that can be written, or REDIS_URL',
  );
  return { file: undefined, keptIn: 'in memory: a restart forgets them' };
}

function everything(config: Config, publishKey: string): StoredKeys[string] {
  const all = config.streams.map(({ name }) => topicName(name, ALL_KEYS));
  return { hash: storedHash(publishKey), streams: { subscribe: all, publish: all }, admin: true };
}

/** If Redis has not answered a count by then, the node counts alone, so that no publish waits for both. */
const LIMITER_DEADLINE_MS = 200;

function limiterStore(link: RedisLink): LimiterStore {
  const scripts = new Map<string, Script>();
  return {
    eval: (source, { keys, arguments: args }) => {
      const script = scripts.get(source) ?? scriptOf(source);
      scripts.set(source, script);
      return link.run(script, keys, args, LIMITER_DEADLINE_MS);
    },
  };
}
