import { connect } from 'node:net';
import { findProgram, ManagedProcess } from './managed-process.js';

/** A separate Redis on loopback that saves nothing to disk unless `args` say otherwise. */
export function redisServer(options: {
  readonly port: number;
  readonly dir: string;
  readonly args?: readonly string[];
  readonly name?: string;
  /** Its configuration file, if any. */
  readonly file?: string;
}): ManagedProcess {
  const { port, dir, args = ['--save', '', '--appendonly', 'no'], name = 'redis', file } = options;
  return new ManagedProcess({
    name,
    command: findProgram('redis-server', 'redis-server'),
    args: [
      ...(file === undefined ? [] : [file]),
      ...['--port', String(port), '--bind', '127.0.0.1', '--dir', dir, '--loglevel', 'warning', ...args],
    ],
    ready: () => answersPing(port),
  });
}

function answersPing(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.setTimeout(500, () => end(false));
    socket.once('error', () => end(false));
    socket.once('connect', () => socket.write('PING\r\n'));
    socket.once('data', (data) => end(data.toString().startsWith('+PONG')));
  });
}
