/** Builds the gate from the configuration: a part of the composition root. */
import { randomBytes } from 'node:crypto';
import { ALL_KEYS, topicName } from '@axiom-streaming/protocol/topic';
import { ApiKeys, type StoredKeys, storedHash } from '../auth/api-keys.js';
import type { ReadAccess } from '../auth/claims.js';
import { Gate } from '../auth/gate.js';
import type { LimiterStore } from '../auth/limits.js';
import { MemoryRevocationStore, Revocations } from '../auth/revocations.js';
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
  const publishKey = access.development
    ? access.publishKey || randomBytes(18).toString('base64url')
    : undefined;
  const stored = publishKey === undefined ? access.apiKeys : { development: everything(config, publishKey) };
  const revocations = new Revocations({
    store: link === undefined ? new MemoryRevocationStore() : new RedisRevocationStore(link),
    logger,
    onChange: () => gate.connections.look(),
  });
  const gate: Gate = new Gate({
    node: config.node.id,
    development: access.development,
    read,
    verifier: key && new TokenVerifier({ ...tokens, ...key, read }),
    apiKeys: new ApiKeys(stored, read),
    revocations,
    tickets: new Tickets(link === undefined ? new MemoryTicketStore() : new RedisTicketStore(link), read),
    trustedProxies: config.http.trustedProxies,
    allowedOrigins: access.allowedOrigins,
    limits: config.rates,
    leewayMs: tokens.leewayMs,
    store: link && limiterStore(link),
  });
  return { gate, revocations, publishKey };
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
