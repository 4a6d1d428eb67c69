/** `npm start`: one node. */

import { ConfigError, readConfig, secretsOf } from './config/config.js';
import { createLogger } from './logger.js';
import { VERSION } from './manifest.js';
import { startNode } from './node/start-node.js';

/** Longest time from the first signal to the end of the process. */
const STOP_DEADLINE_MS = 35_000;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const logger = createLogger(config.logging.level, config.node.id, secretsOf(config));
  const app = await startNode(config, logger);

  let stopping = false;
  const stop = () => {
    if (stopping) process.exit(1);
    stopping = true;
    setTimeout(() => {
      logger.error('node: it did not stop in time and is ended');
      process.exit(1);
    }, STOP_DEADLINE_MS).unref();
    app.stop().then(
      () => process.exit(0),
      // Which part did not stop is in the log.
      () => process.exit(1),
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);

  const { url, publishKey } = app;
  const log = config.redis.url === '' ? 'in memory: messages are gone when this process ends' : 'in Redis';
  process.stdout.write(
    [
      `Axiom Streaming ${VERSION} is ready, node ${app.node}.`,
      '',
      `  Page        ${url}/`,
      `  Socket.IO   ${url}/socket.io/`,
      `  WebSocket   ${url.replace('http', 'ws')}/ws`,
      `  SSE         ${url}/stream?topics=market:*`,
      `  Publish     curl -H "Authorization: Bearer ${publishKey ?? '$TOKEN'}" -d '{"hello":"world"}' ${url}/api/topics/news:hello/messages`,
      `  Health      ${url}/health     Metrics  ${url}/metrics`,
      '',
      `  Streams     ${config.streams.map(({ name }) => name).join(', ')}`,
      `  Log         ${log}`,
      `  Demo feeds  ${config.feeds.isOn ? 'on (replayed, derived and sample data; FEEDS=off turns them off)' : 'off'}`,
      ...(publishKey === undefined
        ? ['  Access      by token: npm run token -- --help']
        : [
            '  Access      for development: this machine alone is served, and reads without a token',
            `  Publish key of this run   ${publishKey}`,
          ]),
      '',
      'Ctrl-C stops it.',
      '',
    ].join('\n'),
  );
}

function fail(error: unknown): never {
  if (error instanceof ConfigError) {
    process.stderr.write(error.report);
    process.exit(2);
  }
  const code = (error as { code?: unknown }).code;
  const message = error instanceof Error ? error.message : String(error);
  const hint = code === 'EADDRINUSE' ? ' Set PORT to another one.' : '';
  process.stderr.write(`Axiom Streaming could not start: ${message || String(code)}.${hint}\n`);
  process.exit(1);
}

main().catch(fail);
