/** Builds the tracing: a part of the composition root. */
import type { Config } from '../config/config.js';
import type { Logger } from '../logger.js';
import type { StartedTracing } from '../telemetry/tracing.js';
import { VERSION } from '../version.js';

/** @returns undefined where nothing is traced: the packages of OpenTelemetry are not even loaded then */
export async function buildTracing(
  { tracing, node }: Config,
  logger: Logger,
): Promise<StartedTracing | undefined> {
  if (tracing === undefined) return undefined;
  const { startTracing } = await import('../telemetry/tracing.js');
  return startTracing(tracing, { node: node.id, version: VERSION, logger });
}
