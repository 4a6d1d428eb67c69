import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram, ManagedProcess } from './managed-process.js';

/** The project's `nginx/` folder, relative to the compiled file. */
const TEMPLATES = fileURLToPath(new URL('../../../nginx', import.meta.url));

export interface NginxTls {
  readonly port: number;
  /** Folder with `fullchain.pem` and `privkey.pem`. */
  readonly certificates: string;
  /** Value of Strict-Transport-Security. Default none. */
  readonly hsts?: string;
  /** Whether what comes in clear is sent there. Default false. */
  readonly only?: boolean;
}

export interface NginxOptions {
  readonly dir: string;
  readonly host: string;
  readonly port: number;
  /** Ports of the nodes on 127.0.0.1. */
  readonly nodePorts: readonly number[];
  /** TLS with HTTP/2 on a separate port. Default none. */
  readonly tls?: NginxTls | undefined;
  /** Default 20,000: on one machine all clients have the same address. */
  readonly connectionsPerAddress?: number;
  /** Requests of an address per second that publish nothing; eight times as many at once. Default 10,000. */
  readonly requestsPerAddress?: number;
  /** Addresses of proxies whose X-Forwarded-For is trusted. Default none. */
  readonly realIpFrom?: readonly string[];
  /** Origins whose pages may read its answers, as `ALLOWED_ORIGINS` of the nodes. Default none. */
  readonly allowedOrigins?: readonly string[];
  /** Called with each line of its error log. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/** Replaces each `${NAME}`; NGINX's own variables have no braces. @throws Error for a name that has no value. */
export function renderTemplate(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\$\{([A-Z_]+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the NGINX template needs a value for ${name}`);
    return value;
  });
}

/** NGINX in front of the nodes; it writes only inside `dir`. */
export function nginx(options: NginxOptions): ManagedProcess {
  const {
    dir,
    host,
    port,
    nodePorts,
    connectionsPerAddress = 20_000,
    requestsPerAddress = 10_000,
    realIpFrom = [],
    allowedOrigins = [],
    tls,
    onLine,
  } = options;
  const command = findProgram('nginx', 'nginx-light');
  mkdirSync(join(dir, 'http'), { recursive: true });
  const render = (file: string, values: Readonly<Record<string, string>>) => {
    const template = readFileSync(join(TEMPLATES, `${file.split('/').at(-1)}.template`), 'utf8');
    writeFileSync(join(dir, file), renderTemplate(template, values));
  };
  const servers = (rules: string) =>
    nodePorts.map((nodePort) => `server 127.0.0.1:${nodePort} ${rules};`).join('\n    ');
  if (tls !== undefined) render('tls.conf', { HUB_TLS_DIR: tls.certificates });
  render('http/hub.conf', {
    HUB_LISTEN: `${host}:${port}`,
    // The older form of `http2 on`, which every version accepts.
    HUB_TLS:
      tls === undefined ? '' : `listen ${host}:${tls.port} ssl http2; include ${join(dir, 'tls.conf')};`,
    HUB_HSTS: tls?.hsts ?? '',
    HUB_HTTPS_ONLY: tls?.only ? '1' : '',
    HUB_HTTPS_PORT: `:${tls?.port ?? 443}`,
    HUB_UPSTREAM_SERVERS: servers('max_fails=1 fail_timeout=1s'),
    HUB_LIVING_SERVERS: servers('max_fails=1 fail_timeout=3s'),
    HUB_CONNECTION_SERVERS: servers('max_fails=0'),
    HUB_ALLOWED_ORIGINS: allowedOrigins
      .map((origin) => `${originPattern(origin)} $http_origin;`)
      .join('\n    '),
    HUB_CREDENTIAL_ORIGINS: allowedOrigins
      .filter((origin) => origin !== '*')
      .map((origin) => `${originPattern(origin)} true;`)
      .join('\n    '),
    HUB_REAL_IP: realIpFrom.map((address) => `set_real_ip_from ${address};`).join('\n'),
    HUB_CACHE_DIR: join(dir, 'cache'),
    HUB_CONNECTIONS_PER_ADDRESS: String(connectionsPerAddress),
    HUB_REQUESTS_PER_ADDRESS: String(requestsPerAddress),
    HUB_REQUEST_BURST: String(requestsPerAddress * 8),
    HUB_METRICS_ALLOW: 'allow 127.0.0.1;',
  });
  render('nginx.conf', {
    NGINX_DIR: dir,
    NGINX_FILES: '20000',
    NGINX_CONNECTIONS: '16384',
    NGINX_USER: process.getuid?.() === 0 ? 'user root;' : '',
    NGINX_WORKERS: '1',
  });
  return new ManagedProcess({
    name: 'nginx',
    command,
    args: ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'],
    ready: () => answers(`http://${host}:${port}/health/live`),
    endWith: 'SIGTERM',
    ...(onLine === undefined ? {} : { onLine }),
  });
}

/** As the key of a map: a pattern, since an origin may be longer than a hash of NGINX takes. */
function originPattern(origin: string): string {
  return origin === '*' ? '~.' : `"~^${origin.replace(/[.[\]]/g, '\\$&')}$"`;
}

/** Whether a GET of `url` is answered with 200. */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
