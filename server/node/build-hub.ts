/** Builds the hub, its publisher and its operations: a part of the composition root. */
import type { ReadableLog } from '../archive/archived-log.js';
import type { Config } from '../config/config.js';
import { Hub } from '../hub/hub.js';
import { RequestHandler } from '../hub/operations/handler.js';
import { Publisher } from '../hub/operations/publisher.js';
import type { Tracing } from '../hub/tracing.js';
import type { StreamLog } from '../log/stream-log.js';
import type { Logger } from '../logger.js';
import type { Metrics } from '../telemetry/metrics.js';

export interface BuiltHub {
  readonly hub: Hub;
  readonly publisher: Publisher;
  readonly requests: RequestHandler;
}

/** @param parts.past the source for recoveries and history: the log, or one that reaches further back */
export function buildHub(
  config: Config,
  parts: {
    readonly log: StreamLog;
    readonly past: ReadableLog;
    readonly metrics: Metrics;
    readonly tracing: Tracing | undefined;
    readonly logger: Logger;
  },
): BuiltHub {
  const { log, past, metrics, tracing, logger } = parts;
  const hub = new Hub({
    streams: config.streams,
    log,
    past,
    logger,
    limits: config.limits,
    onLatency: (ms) => metrics.delivered(ms),
    tracing,
  });
  const publisher = new Publisher({
    hub,
    log,
    maxMessageBytes: config.publishing.maxMessageBytes,
    onCommit: (ms) => metrics.committed(ms),
    tracing,
  });
  const requests = new RequestHandler({
    hub,
    publisher,
    logger,
    onError: (code) => metrics.errors.count(code),
  });
  return { hub, publisher, requests };
}
