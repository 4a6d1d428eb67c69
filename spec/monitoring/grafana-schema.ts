import { fileURLToPath } from 'node:url';
import { Ajv, type ValidateFunction } from 'ajv';
import { createGenerator } from 'ts-json-schema-generator';

const TYPES = fileURLToPath(new URL('../../../spec/monitoring/dashboard-type.ts', import.meta.url));

/** Checks a dashboard by a JSON Schema made of Grafana's own types: nothing may be there that they do not know. */
export function grafanaSchema(): ValidateFunction {
  const schema = createGenerator({
    path: TYPES,
    type: 'CheckedDashboard',
    // Its types have the same names in several files.
    expose: 'none',
    skipTypeCheck: true,
  }).createSchema('CheckedDashboard');
  return new Ajv({ strict: false, allErrors: true, discriminator: true }).compile(schema);
}
