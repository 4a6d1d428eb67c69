/** What `REDIS_URL` names: one server, a master monitored by Sentinels, or a Redis Cluster. */

/** Where a server listens. */
export interface RedisServer {
  readonly host: string;
  readonly port: number;
}

/** A Redis deployment and its credentials. */
export interface RedisTarget {
  readonly kind: 'server' | 'sentinel' | 'cluster';
  /** The server itself, or some of the Sentinels or cluster nodes; the others are discovered from these. */
  readonly servers: readonly RedisServer[];
  /** The Sentinels' name for the master; '' for the other kinds. */
  readonly master: string;
  readonly tls: boolean;
  readonly database: number;
  readonly username: string | undefined;
  readonly password: string | undefined;
  /** For logging in to the Sentinels, if they require it. */
  readonly sentinelUsername: string | undefined;
  readonly sentinelPassword: string | undefined;
}

const FORM = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^/?]*)@)?([^/?]+)(?:\/([^?]*))?(?:\?(.*))?$/;
const SERVER = /^(\[[0-9a-fA-F:.]+\]|[^:[\]\s]+)(?::(\d{1,5}))?$/;
const DEFAULT_PORT = { server: 6379, sentinel: 26_379, cluster: 6379 } as const;
const SENTINEL_FIELDS = ['sentinelUsername', 'sentinelPassword'];

/**
 * Reads `redis://[user:password@]host[:port][/database]`, `redis+sentinel://…@host[:port],…/master[/database]` or
 * `redis+cluster://…@host[:port],…`; `rediss` is TLS.
 *
 * @throws Error that says what the address must look like, without repeating it: it may contain a password.
 */
export function parseRedisUrl(text: string): RedisTarget {
  const [, scheme, form, credentials, hosts, path = '', query = ''] = FORM.exec(text) ?? [];
  if (scheme === undefined || hosts === undefined) {
    throw new Error(
      'must begin with redis://, redis+sentinel:// or redis+cluster:// (rediss… for TLS), followed by a host',
    );
  }
  const kind = (form ?? 'server') as RedisTarget['kind'];
  const servers = hosts.split(',').map((host) => parseServer(host, DEFAULT_PORT[kind]));
  if (kind === 'server' && servers.length > 1) {
    throw new Error('must name one host; use redis+sentinel:// or redis+cluster:// for several');
  }
  const parts = path === '' ? [] : path.split('/');
  const master = kind === 'sentinel' ? decoded(parts.shift() ?? '') : '';
  if (kind === 'sentinel' && !/^[\w.-]+$/.test(master)) {
    throw new Error("must end with the master's name: redis+sentinel://host:26379,host:26379/mymaster");
  }
  const [database = '0', ...rest] = parts;
  if (rest.length > 0 || !/^\d{1,5}$/.test(database)) throw new Error('must have a number as database');
  if (kind === 'cluster' && database !== '0')
    throw new Error('must not name a database: a cluster has only one');
  const fields = new URLSearchParams(query);
  for (const name of fields.keys()) {
    if (kind !== 'sentinel' || !SENTINEL_FIELDS.includes(name)) {
      throw new Error(
        `must not have "?${name}"; only Sentinels have parameters: ${SENTINEL_FIELDS.join(' and ')}`,
      );
    }
  }
  const [username = '', ...passwords] = credentials?.split(':') ?? [];
  return {
    kind,
    servers,
    master,
    tls: scheme === 'rediss',
    database: Number(database),
    username: decoded(username) || undefined,
    password: decoded(passwords.join(':')) || undefined,
    sentinelUsername: fields.get('sentinelUsername') ?? undefined,
    sentinelPassword: fields.get('sentinelPassword') ?? undefined,
  };
}

/** `host:port`, which identifies a server. */
export function addressOf({ host, port }: RedisServer): string {
  return `${host}:${port}`;
}

function parseServer(text: string, defaultPort: number): RedisServer {
  const [, host = '', port = String(defaultPort)] = SERVER.exec(text) ?? [];
  if (host === '' || Number(port) < 1 || Number(port) > 65_535) {
    throw new Error('must name hosts as host or host:port, separated by commas');
  }
  return { host: host.replace(/^\[|\]$/g, ''), port: Number(port) };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Error('must have user and password percent-encoded');
  }
}
