/**
 * A whole cluster as processes on this machine: Redis, nodes, NGINX. Used by `npm run cluster`, the specs and the
 * benches.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { atEnd } from './at-end.js';
import { ManagedProcess } from './managed-process.js';
import { answers, type NginxTls, nginx } from './nginx.js';
import { freePorts } from './ports.js';
import { redisServer } from './redis-server.js';

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url));

export interface LocalClusterOptions {
  /** Default 3. */
  readonly nodes?: number;
  /** NGINX's port; the nodes use the ports after it. Default: free ports. */
  readonly port?: number;
  /** A Redis that is already running. Default: the cluster starts its own. */
  readonly redisUrl?: string;
  /** Configuration of the nodes, in addition to what the cluster itself sets. */
  readonly env?: Readonly<Record<string, string>>;
  /** Options of Node.js for the node processes. */
  readonly nodeArgs?: readonly string[];
  /** Options of the cluster's own Redis. Default: nothing is saved to disk. */
  readonly redisArgs?: readonly string[];
  /** Addresses whose X-Forwarded-For NGINX trusts, so that one spec can appear as many clients. Default: this machine. */
  readonly realIpFrom?: readonly string[];
  /** TLS with HTTP/2 on another port of NGINX. Default none. */
  readonly tls?: NginxTls;
  /** Called with each line that a process writes. */
  readonly onLine?: (process: string, line: string) => void;
}

/** A node of a local cluster. */
export interface LocalNode {
  readonly name: string;
  readonly port: number;
  readonly url: string;
  readonly process: ManagedProcess;
}

/** A proxy or a tunnel in front of NGINX must say for whom it asks: without a secret only this machine is served. */
const OWN_MACHINE: readonly string[] = ['127.0.0.1'];

export class LocalCluster {
  /** Where clients connect: NGINX. */
  readonly url: string;
  readonly port: number;
  readonly redisUrl: string;
  readonly nodes: readonly LocalNode[];
  /** Undefined if an existing Redis is used. */
  readonly redis: ManagedProcess | undefined;
  readonly nginx: ManagedProcess;
  /** The folder for the processes' files; removed by {@link stop}, and when this process ends. */
  readonly dir: string;
  readonly #removeDir: () => void;

  private constructor(parts: {
    port: number;
    redisUrl: string;
    nodes: readonly LocalNode[];
    redis: ManagedProcess | undefined;
    nginx: ManagedProcess;
    dir: string;
    removeDir: () => void;
  }) {
    this.port = parts.port;
    this.url = `http://127.0.0.1:${parts.port}`;
    this.redisUrl = parts.redisUrl;
    this.nodes = parts.nodes;
    this.redis = parts.redis;
    this.nginx = parts.nginx;
    this.dir = parts.dir;
    this.#removeDir = parts.removeDir;
  }

  /**
   * Starts everything and waits until it serves.
   *
   * @throws Error that names what failed to start; nothing is left running.
   */
  static async start(options: LocalClusterOptions = {}): Promise<LocalCluster> {
    const {
      nodes: count = 3,
      env,
      nodeArgs = [],
      redisArgs,
      onLine,
      realIpFrom = OWN_MACHINE,
      tls,
    } = options;
    const port = options.port ?? (await freePorts(count + 2));
    const redisPort = options.port === undefined ? port + count + 1 : await freePorts(1);
    const redisUrl = options.redisUrl ?? `redis://127.0.0.1:${redisPort}`;
    const { dir, remove: removeDir } = temporaryFolder();
    try {
      const nodes = Array.from({ length: count }, (_, i) =>
        localNode({ name: `node${i + 1}`, port: port + 1 + i, redisUrl, env, nodeArgs, onLine }),
      );
      const cluster = new LocalCluster({
        port,
        redisUrl,
        nodes,
        redis:
          options.redisUrl === undefined
            ? redisServer({ port: redisPort, dir, ...(redisArgs === undefined ? {} : { args: redisArgs }) })
            : undefined,
        nginx: nginx({
          dir: join(dir, 'nginx'),
          host: '127.0.0.1',
          port,
          nodePorts: nodes.map((node) => node.port),
          realIpFrom,
          allowedOrigins: env?.ALLOWED_ORIGINS?.split(',').map((origin) => origin.trim()) ?? [],
          tls,
          onLine: onLine && ((line) => onLine('nginx', line)),
        }),
        dir,
        removeDir,
      });
      await cluster.#startAll();
      return cluster;
    } catch (error) {
      removeDir();
      throw error;
    }
  }

  /** Drains the nodes one after the other, then ends NGINX and Redis. */
  async stop(): Promise<void> {
    for (const { process } of this.nodes) {
      // A process stopped by SIGSTOP would not handle the signal that ends it.
      process.signal('SIGCONT');
      await process.stop('SIGTERM');
    }
    await this.nginx.stop('SIGQUIT', 5_000);
    this.redis?.signal('SIGCONT');
    await this.redis?.stop('SIGTERM', 5_000);
    this.#removeDir();
  }

  async #startAll(): Promise<void> {
    try {
      await this.redis?.start();
      await Promise.all(this.nodes.map(({ process }) => process.start()));
      await this.nginx.start();
    } catch (error) {
      const all = [this.redis, this.nginx, ...this.nodes.map((node) => node.process)];
      await Promise.all(all.map((managed) => managed?.end()));
      throw error;
    }
  }
}

/** A folder that does not outlive this process. */
function temporaryFolder(): { dir: string; remove: () => void } {
  const dir = mkdtempSync(join(tmpdir(), 'axiom-cluster-'));
  // A process that was killed a moment ago may still be writing to it.
  const remove = () => rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  const forget = atEnd(remove);
  return {
    dir,
    remove: () => {
      forget();
      remove();
    },
  };
}

function localNode(options: {
  name: string;
  port: number;
  redisUrl: string;
  env: Readonly<Record<string, string>> | undefined;
  nodeArgs: readonly string[];
  onLine: LocalClusterOptions['onLine'];
}): LocalNode {
  const { name, port, redisUrl, env, nodeArgs, onLine } = options;
  const url = `http://127.0.0.1:${port}`;
  const managed = new ManagedProcess({
    name,
    command: process.execPath,
    args: [...nodeArgs, '--enable-source-maps', MAIN],
    // NGINX is the proxy; whom it serves it says in X-Forwarded-For.
    env: {
      TRUST_PROXY: 'loopback',
      ...env,
      NODE_ID: name,
      HOST: '127.0.0.1',
      PORT: String(port),
      REDIS_URL: redisUrl,
    },
    ready: () => answers(`${url}/health/ready`),
    ...(onLine === undefined ? {} : { onLine: (line: string) => onLine(name, line) }),
  });
  return { name, port, url, process: managed };
}
