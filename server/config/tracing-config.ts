/** The standard `OTEL_…` variables that the hub reads. The OpenTelemetry packages read the rest of them. */
import type { Environment } from './variables.js';

/** Where spans are sent. */
export interface TracingConfig {
  readonly exporter: 'otlp' | 'console';
}

const SAMPLERS = [
  ...['always_on', 'always_off', 'traceidratio'],
  ...['parentbased_always_on', 'parentbased_always_off', 'parentbased_traceidratio'],
];

/**
 * Tracing is off unless an exporter or an endpoint is named. Mistakes are added to `mistakes`.
 *
 * @returns undefined if it is off
 */
export function readTracing(environment: Environment, mistakes: string[]): TracingConfig | undefined {
  const endpoint = environment.OTEL_EXPORTER_OTLP_TRACES_ENDPOINT || environment.OTEL_EXPORTER_OTLP_ENDPOINT;
  const exporter = environment.OTEL_TRACES_EXPORTER || (endpoint ? 'otlp' : 'none');
  const isDisabled = environment.OTEL_SDK_DISABLED?.toLowerCase() === 'true';
  if (isDisabled || exporter === 'none') return undefined;
  const before = mistakes.length;
  const check = (
    name: string,
    value: string | undefined,
    isRight: (value: string) => boolean,
    must: string,
  ) => {
    if (value && !isRight(value)) mistakes.push(`${name}: ${must} (it is "${value}")`);
  };
  const oneOf = (names: readonly string[]) => (value: string) => names.includes(value);
  check(
    'OTEL_TRACES_EXPORTER',
    exporter,
    oneOf(['otlp', 'console', 'none']),
    'must be otlp, console or none',
  );
  for (const name of ['OTEL_EXPORTER_OTLP_PROTOCOL', 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL']) {
    check(name, environment[name], oneOf(['http/json']), 'must be http/json');
  }
  for (const name of ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT']) {
    const isAddress = (value: string) => /^https?:\/\//.test(value) && URL.canParse(value);
    check(name, environment[name], isAddress, 'must begin with http:// or https://');
  }
  check(
    'OTEL_TRACES_SAMPLER',
    environment.OTEL_TRACES_SAMPLER,
    oneOf(SAMPLERS),
    `must be one of ${SAMPLERS.join(', ')}`,
  );
  check(
    'OTEL_TRACES_SAMPLER_ARG',
    environment.OTEL_TRACES_SAMPLER_ARG,
    (value) => Number(value) >= 0 && Number(value) <= 1,
    'must be a number from 0 to 1',
  );
  return mistakes.length > before ? undefined : { exporter: exporter as TracingConfig['exporter'] };
}
