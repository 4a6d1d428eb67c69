import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram, ManagedProcess } from './managed-process.js';

/** `nginx/` of the project, seen from the compiled file. */
const TEMPLATES = fileURLToPath(new URL('../../../../nginx', import.meta.url));

export interface NginxOptions {
  readonly dir: string;
  readonly host: string;
  readonly port: number;
  /** Ports of the nodes on 127.0.0.1. */
  readonly nodePorts: readonly number[];
  /** Default 20,000: on one machine everybody has the same address. */
  readonly connectionsPerAddress?: number;
  /** Addresses of proxies whose X-Forwarded-For is believed. Default none. */
  readonly realIpFrom?: readonly string[];
  /** Each line of its error log. */
  readonly onLine?: ((line: string) => void) | undefined;
}

/** Fills `${NAME}` in. NGINX's own `$names` have no braces in the templates. @throws Error for a name without value. */
export function renderTemplate(template: string, values: Readonly<Record<string, string>>): string {
  return template.replace(/\$\{([A-Z_]+)\}/g, (_, name: string) => {
    const value = values[name];
    if (value === undefined) throw new Error(`the NGINX template wants ${name}`);
    return value;
  });
}

/** NGINX before the nodes, with everything that it writes in `dir`. */
export function nginx(options: NginxOptions): ManagedProcess {
  const { dir, host, port, nodePorts, connectionsPerAddress = 20_000, realIpFrom = [], onLine } = options;
  const command = findProgram('nginx', 'nginx-light');
  mkdirSync(dir, { recursive: true });
  const hub = renderTemplate(readFileSync(join(TEMPLATES, 'hub.conf.template'), 'utf8'), {
    HUB_LISTEN: `${host}:${port}`,
    HUB_UPSTREAM_SERVERS: nodePorts
      .map((nodePort) => `server 127.0.0.1:${nodePort} max_fails=2 fail_timeout=1s;`)
      .join('\n    '),
    HUB_CONNECTION_SERVERS: nodePorts
      .map((nodePort) => `server 127.0.0.1:${nodePort} max_fails=0;`)
      .join('\n    '),
    HUB_REAL_IP: realIpFrom.map((address) => `set_real_ip_from ${address};`).join('\n'),
    HUB_CACHE_DIR: join(dir, 'cache'),
    HUB_CONNECTIONS_PER_ADDRESS: String(connectionsPerAddress),
    HUB_METRICS_ALLOW: 'allow 127.0.0.1;',
  });
  const main = renderTemplate(readFileSync(join(TEMPLATES, 'local.conf.template'), 'utf8'), {
    NGINX_DIR: dir,
    NGINX_USER: process.getuid?.() === 0 ? 'user root;' : '',
    NGINX_WORKERS: '1',
  });
  writeFileSync(join(dir, 'hub.conf'), hub);
  writeFileSync(join(dir, 'nginx.conf'), main);
  return new ManagedProcess({
    name: 'nginx',
    command,
    args: ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'],
    ready: () => answers(`http://${host}:${port}/health/live`),
    ...(onLine === undefined ? {} : { onLine }),
  });
}

/** Whether an address answers 200. */
export async function answers(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(1_000) });
    await response.arrayBuffer();
    return response.ok;
  } catch {
    return false;
  }
}
