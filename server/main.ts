/** `npm start`: one node. */

import { ConfigError, readConfig, secretsOf } from './config/config.js';
import { createLogger } from './logger.js';
import { VERSION } from './manifest.js';
import { NODE_STOPS_WITHIN_MS, startNode } from './node/start-node.js';
import { startWatchdog } from './node/watchdog.js';
import { stopSignal } from './stop-signal.js';

/** Longest time from the first signal to the end of the process. */
const STOP_DEADLINE_MS = NODE_STOPS_WITHIN_MS + 1_000;

async function main(): Promise<void> {
  const config = readConfig(process.env);
  const logger = createLogger(config.logging.level, config.node.id, secretsOf(config));
  startWatchdog({ limitMs: config.node.watchdogMs, node: config.node.id }, logger);
  let reloadKeys: () => void = () => undefined;
  const reload = config.access.apiKeysFile === '' ? undefined : () => reloadKeys();
  const stopping = stopSignal(logger, STOP_DEADLINE_MS, reload);
  const app = await startNode(config, logger, {}, stopping).catch((error: unknown): never => {
    if (!stopping.aborted || error !== stopping.reason) throw error;
    logger.info('node: stopped before it had started');
    process.exit(0);
  });
  reloadKeys = () => app.reloadKeys();
  stopping.addEventListener('abort', () => {
    app.stop().then(
      () => process.exit(0),
      // The log names the part that did not stop.
      () => process.exit(1),
    );
  });

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
      ...(app.revocationsKeptIn === undefined ? [] : [`  Revocations ${app.revocationsKeptIn}`]),
      `  Demo feeds  ${config.feeds.isOn ? 'on (replayed, derived and sample data; FEEDS=off turns them off)' : 'off'}`,
      ...(publishKey === undefined
        ? ['  Access      by token: npm run token -- --help']
        : [
            '  Access      for development: only this machine is served, and may read without a token',
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
