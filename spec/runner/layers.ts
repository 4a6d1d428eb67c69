/**
 * Which specs run when. This table is the one place that says so; `layers.spec.ts` holds it to the files.
 *
 * - `unit`: `npm run test:unit`. Starts no program and opens no connection beyond this machine.
 * - `quick`: `npm test`, with `unit`. Needs nothing beyond what Debian has: Redis, NGINX, PostgreSQL, Chromium and the
 *   like.
 * - `full`: `npm run test:all`, with the others. Downloads, races, and whatever takes minutes.
 *
 * A file that the table does not name is `quick`, so that no file is left out.
 */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export type Layer = 'unit' | 'quick' | 'full';

/** Files, or folders with a slash at the end, below `spec/`. The first one that fits decides. */
export const LAYERS: readonly (readonly [of: string, layer: Layer])[] = [
  ['auth/grants.spec.ts', 'unit'],
  ['auth/limits.spec.ts', 'unit'],
  ['config/', 'unit'],
  ['connectors/neo4j-captured-changes.spec.ts', 'unit'],
  ['connectors/neo4j-change-nodes.spec.ts', 'unit'],
  ['connectors/neo4j-element-mapping.spec.ts', 'unit'],
  ['feeds/', 'unit'],
  ['house.spec.ts', 'unit'],
  ['hub/', 'unit'],
  ['log/memory-stream-log.spec.ts', 'unit'],
  ['logger.spec.ts', 'unit'],
  ['node/lifecycle.spec.ts', 'unit'],
  ['protocol/', 'unit'],
  ['redis/slots.spec.ts', 'unit'],
  ['redis/target.spec.ts', 'unit'],
  // It starts processes that hang and crash.
  ['runner/run-files.spec.ts', 'quick'],
  ['runner/', 'unit'],
  ['time/', 'unit'],
  ['wild/accounting.spec.ts', 'unit'],

  ['bench/guard.spec.ts', 'full'],
  ['browser/firefox.spec.ts', 'full'],
  ['browser/load.spec.ts', 'full'],
  ['cluster/redis-faults.spec.ts', 'full'],
  ['cluster/refused-event-sources.spec.ts', 'full'],
  ['cluster/silent-node.spec.ts', 'full'],
  ['cluster/storm.spec.ts', 'full'],
  ['compose/image.spec.ts', 'full'],
  ['connectors/neo4j.spec.ts', 'full'],
  ['docs/airflow.spec.ts', 'full'],
  ['ha/failover.spec.ts', 'full'],
  ['wild/', 'full'],
];

/** Files that do more when all is run: more kills, more runs of a property. `test:all` runs them in that size. */
export const GROWING: readonly string[] = [
  'connectors/archive.spec.ts',
  'connectors/ingest.spec.ts',
  'connectors/outbox.spec.ts',
  'connectors/replication.spec.ts',
  'hub/pressure-property.spec.ts',
  'hub/property-losses.spec.ts',
  'hub/property.spec.ts',
];

/** Files that compare speeds: nothing runs beside them. */
export const ALONE: readonly string[] = ['bench/guard.spec.ts', 'browser/load.spec.ts'];

/** Files that take long, the longest first: they start first, so that no core idles at the end. */
export const LONGEST: readonly string[] = [
  'connectors/neo4j.spec.ts',
  'ha/failover.spec.ts',
  'cluster/redis-faults.spec.ts',
  'cluster/storm.spec.ts',
  'cluster/refused-event-sources.spec.ts',
  'cluster/silent-node.spec.ts',
  'wild/crowd.spec.ts',
  'compose/image.spec.ts',
  'client/tokens.spec.ts',
  'connectors/outbox.spec.ts',
  'connectors/replication.spec.ts',
  'auth/life.spec.ts',
  'cli/doctor.spec.ts',
  'auth/costs.spec.ts',
  'client/refused.spec.ts',
  'cli/demo.spec.ts',
  'connectors/archive.spec.ts',
  'connectors/ingest.spec.ts',
  'wild/proxies.spec.ts',
  'wild/java.spec.ts',
  'wild/go.spec.ts',
  'wild/rust.spec.ts',
  'wild/javascript.spec.ts',
  'wild/python.spec.ts',
  'wild/curl.spec.ts',
  'browser/dashboard.spec.ts',
  'docs/airflow.spec.ts',
  'cluster/drain.spec.ts',
  'cluster/living-sessions.spec.ts',
  'cluster/node-killed.spec.ts',
  'layers.spec.ts',
  'fuzz/fuzz.spec.ts',
  'monitoring/live.spec.ts',
  'cluster/redis-down.spec.ts',
  'cluster/conformance.spec.ts',
  'transports/admission.spec.ts',
  'transports/slow-reader.spec.ts',
  'conformance/embedded.spec.ts',
  'cluster/reconnect-storm.spec.ts',
  'cluster/node-killed.spec.ts',
  'client/node.spec.ts',
  'client/chromium.spec.ts',
];

/** A file of specs. */
export interface SpecFile {
  /** Below `spec/`, with slashes. */
  readonly path: string;
  readonly layer: Layer;
  readonly grows: boolean;
  readonly alone: boolean;
}

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** The layer of a file below `spec/`. */
export function layerOf(path: string): Layer {
  const fits = (of: string) => (of.endsWith('/') ? path.startsWith(of) : path === of);
  return LAYERS.find(([of]) => fits(of))?.[1] ?? 'quick';
}

/** All files of specs. The list comes from the sources: what is left in `dist` of a removed one is never run. */
export function specFiles(): SpecFile[] {
  const rank = (path: string) => {
    const at = LONGEST.indexOf(path);
    return at === -1 ? LONGEST.length : at;
  };
  return readdirSync(`${ROOT}/spec`, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.spec.ts'))
    .sort()
    .sort((a, b) => rank(a) - rank(b))
    .map((path) => ({
      path,
      layer: layerOf(path),
      grows: GROWING.includes(path),
      alone: ALONE.includes(path),
    }));
}

/** What a command runs: a layer with those before it, or `rest`, what `full` has beyond `quick`. */
export type Selection = Layer | 'rest';

const SELECTS: Readonly<Record<Selection, (file: SpecFile) => boolean>> = {
  unit: ({ layer }) => layer === 'unit',
  quick: ({ layer }) => layer !== 'full',
  full: () => true,
  rest: ({ layer, grows }) => layer === 'full' || grows,
};

/** The files of a selection. */
export function selected(selection: Selection): SpecFile[] {
  return specFiles().filter(SELECTS[selection]);
}
