/** Builds the tracing: a part of the composition root. */
import type { Config } from '../config/config.js';
import type { Logger } from '../logger.js';
import { VERSION } from '../manifest.js';
import { loadOptional } from '../optional-packages.js';
import type { StartedTracing } from '../telemetry/tracing.js';

const PACKAGES = [
  '@opentelemetry/api',
  '@opentelemetry/exporter-trace-otlp-http',
  '@opentelemetry/resources',
  '@opentelemetry/sdk-trace-base',
];

/**
 * @returns undefined if tracing is off; then the packages of OpenTelemetry are not even loaded
 * @throws Error if they are needed and not installed
 */
export async function buildTracing(
  { tracing, node }: Config,
  logger: Logger,
): Promise<StartedTracing | undefined> {
  if (tracing === undefined) return undefined;
  const load = () => import('../telemetry/tracing.js');
  const { startTracing } = await loadOptional('Tracing (OTEL_TRACES_EXPORTER)', PACKAGES, load);
  return startTracing(tracing, { node: node.id, version: VERSION, logger });
}
