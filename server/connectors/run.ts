/**
 * `npm run connector:…`: runs one connector. The process may be killed and restarted at any moment, and several may
 * run: the second one waits, or repeats work that the log takes once.
 */
import { ConfigError } from '../config/config.js';
import { RedisStreamLog } from '../log/redis-stream-log.js';
import { createLogger } from '../logger.js';
import { RedisLink } from '../redis/redis-link.js';
import { stopSignal } from '../stop-signal.js';
import { CONNECTORS, isConnector } from './catalogue.js';
import { readConnectorConfig } from './config.js';
import { ConnectorMetrics } from './metrics.js';
import { startStatusServer } from './status-server.js';

/** The nodes' name for the channel of a stream: that of its room in the Socket.IO adapter. */
const channelOf = (stream: string) => `socket.io#/#${stream}#`;
const STOP_DEADLINE_MS = 10_000;

async function main(): Promise<void> {
  const name = process.argv[2] ?? '';
  if (!isConnector(name)) {
    throw new ConfigError([
      `the connector "${name}" does not exist; the connectors are ${Object.keys(CONNECTORS).join(', ')}`,
    ]);
  }
  const config = readConnectorConfig(process.env);
  const mistakes = CONNECTORS[name].mistakes(config);
  if (mistakes.length > 0) throw new ConfigError(mistakes);
  const logger = createLogger(config.logging.level, `${name}-${process.pid}`);
  const metrics = new ConnectorMetrics(name);
  const stopping = stopSignal(logger, STOP_DEADLINE_MS);
  const link = new RedisLink({ url: config.redis.url, logger });
  try {
    await link.connect(stopping);
  } catch (error) {
    if (stopping.aborted && error === stopping.reason) return;
    throw error;
  }
  const log = new RedisStreamLog({
    link,
    streams: new Map(config.streams.map((stream) => [stream.name, stream])),
    channelOf,
  });
  const status = config.status.port === 0 ? undefined : await startStatusServer(metrics, config.status);
  // Pauses between attempts do not keep the process alive.
  const alive = setInterval(() => undefined, 60_000);

  process.stdout.write(`The connector "${name}" is running. Ctrl-C stops it.\n`);
  await CONNECTORS[name].run(config, { log, link, logger, metrics, signal: stopping });
  clearInterval(alive);
  status?.close();
  await log.close();
  await link.close();
}

main().then(
  () => process.exit(0),
  (error: unknown) => {
    process.stderr.write(
      error instanceof ConfigError
        ? error.report
        : `The connector could not run: ${error instanceof Error ? error.message : String(error)}\n`,
    );
    process.exit(error instanceof ConfigError ? 2 : 1);
  },
);
