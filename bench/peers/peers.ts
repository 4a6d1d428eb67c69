/** The servers that are compared, each in its own process. */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findProgram, ManagedProcess, MissingProgram } from '../../server/local-cluster/managed-process.js';
import type { Protocol } from '../load/connection.js';
import type { Way } from '../load/publisher.js';

const NCHAN_MODULE = '/usr/lib/nginx/modules/ngx_nchan_module.so';

const GC_ON_SIGNAL = fileURLToPath(new URL('gc-on-signal.cjs', import.meta.url));

export interface Peer {
  readonly name: string;
  readonly protocol: Protocol;
  readonly way: Way;
  /** The server process, not yet started. @throws MissingProgram if it is not installed. */
  process(options: { port: number; redisUrl: string; dir: string }): ManagedProcess;
}

function nodePeer(
  name: string,
  protocol: Protocol,
  way: Way,
  script: string,
  env: Record<string, string> = {},
): Peer {
  return {
    name,
    protocol,
    way,
    process: ({ port, redisUrl }) =>
      new ManagedProcess({
        name,
        command: process.execPath,
        args: ['--require', GC_ON_SIGNAL, fileURLToPath(new URL(script, import.meta.url))],
        env: { PORT: String(port), REDIS_URL: redisUrl, ...env },
        ready: () => accepts(port),
      }),
  };
}

// Benches connect thousands at once on purpose.
const HUB_ENV = {
  FEEDS: 'off',
  LOG_LEVEL: 'error',
  MAX_HANDSHAKES_PER_SECOND: '1000000',
};

/** The hub's whole path: stream log in Redis, node, connections. */
export function hub(protocol: 'socketio' | 'websocket' | 'sse', env: Record<string, string> = {}): Peer {
  return nodePeer(`hub ${protocol}`, protocol, 'log', '../../server/main.js', { ...HUB_ENV, ...env });
}

/** Stock Socket.IO. `PING_INTERVAL_MS` in its environment: 25,000 unless set. */
export function stock(env: Record<string, string> = {}): Peer {
  return nodePeer('stock Socket.IO', 'stock', 'emitter', 'stock-server.js', env);
}

/** Plain ws. `PING_INTERVAL_MS` in its environment: no heartbeat unless set. */
export function plainWs(env: Record<string, string> = {}): Peer {
  return nodePeer('plain ws', 'ws', 'channel', 'ws-server.js', env);
}

export const STOCK = stock();
export const PLAIN_WS = plainWs();
export const FLOOR = nodePeer('write loop (floor)', 'ws', 'channel', 'floor-server.js');

export const NATS: Peer = {
  name: 'NATS WebSocket',
  protocol: 'nats',
  way: 'nats',
  process: ({ port, dir }) => {
    const config = join(dir, 'nats.conf');
    // Publishers use the plain port below the WebSocket port.
    writeFileSync(
      config,
      `listen: "127.0.0.1:${port - 1}"\nmax_pending: 64MB\nwebsocket { listen: "127.0.0.1:${port}", no_tls: true }\n`,
    );
    return new ManagedProcess({
      name: 'nats-server',
      command: findProgram('nats-server', 'nats-server'),
      args: ['-c', config],
      ready: () => accepts(port),
    });
  },
};

export const NCHAN: Peer = {
  name: 'Nchan',
  protocol: 'nchan',
  way: 'nchan',
  process: ({ port, dir: parent }) => {
    if (!existsSync(NCHAN_MODULE)) throw new MissingProgram('Nchan', 'libnginx-mod-nchan');
    const dir = join(parent, 'nchan');
    mkdirSync(dir, { recursive: true });
    const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
      (name) => `${name}_temp_path ${dir}/${name};`,
    );
    writeFileSync(
      join(dir, 'nginx.conf'),
      `load_module ${NCHAN_MODULE};
daemon off; ${process.getuid?.() === 0 ? 'user root;' : ''} worker_processes 1; worker_rlimit_nofile 20000;
pid ${dir}/pid; error_log stderr error;
events { worker_connections 16384; }
http { access_log off; ${temp.join(' ')}
  server { listen 127.0.0.1:${port}; keepalive_requests 1000000;
    location /sub { nchan_subscriber websocket; nchan_channel_id $arg_id; nchan_subscriber_first_message newest; }
    location /pub { nchan_publisher; nchan_channel_id $arg_id; nchan_message_buffer_length 1000; nchan_message_timeout 60s; }
  } }
`,
    );
    return new ManagedProcess({
      name: 'nginx with Nchan',
      command: findProgram('nginx', 'nginx-light'),
      args: ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'],
      endWith: 'SIGTERM',
      ready: () => accepts(port),
    });
  },
};

/** Whether something listens on the port. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}
