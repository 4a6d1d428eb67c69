/** The files of `monitoring/`, as the specs read them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { ConnectorMetrics } from '../../server/connectors/metrics.js';
import { METRICS } from '../../server/telemetry/catalogue.js';

export const MONITORING = fileURLToPath(new URL('../../../monitoring', import.meta.url));

export interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

export type Rule = RecordingRule | AlertRule;

export interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly interval?: string; readonly rules: Rule[] }[];
}

export function readMonitoring(path: string): string {
  return readFileSync(join(MONITORING, path), 'utf8');
}

/** Names of the files in a folder of `monitoring/` that end so. */
export function filesIn(folder: string, end: string): string[] {
  return readdirSync(join(MONITORING, folder))
    .filter((name) => name.endsWith(end))
    .sort();
}

/** The rule files by name. */
export function ruleFiles(): Map<string, RuleFile> {
  return new Map(
    filesIn('rules', '.yml').map((name) => [name, parse(readMonitoring(`rules/${name}`)) as RuleFile]),
  );
}

export function rules(): Rule[] {
  return [...ruleFiles().values()].flatMap(({ groups }) => groups.flatMap((group) => group.rules));
}

/** What others measure and is asked for here: Prometheus itself, NGINX's own page, and redis_exporter. */
const FOREIGN = [
  'up',
  'ALERTS',
  'axiom_tls_certificate_expiry_timestamp_seconds',
  'redis_memory_used_bytes',
  'redis_memory_max_bytes',
  'redis_commands_processed_total',
  'redis_connected_clients',
];

/** The name of every series that an expression may ask for. */
export async function knownSeries(): Promise<ReadonlySet<string>> {
  const known = new Set(FOREIGN);
  for (const [name, { type }] of Object.entries(METRICS)) {
    if (type === 'histogram') for (const end of ['bucket', 'sum', 'count']) known.add(`${name}_${end}`);
    else known.add(name);
  }
  const connectors = await new ConnectorMetrics('spec').text();
  for (const [, name] of connectors.matchAll(/^# TYPE (\S+) /gm)) known.add(name!);
  for (const rule of rules()) if ('record' in rule) known.add(rule.record);
  return known;
}

/** The names of series in an expression: what is neither a function, nor a label, nor a word of PromQL. */
export function seriesOf(expr: string): string[] {
  const bare = expr
    .replace(/"(?:[^"\\]|\\.)*"/g, '')
    .replace(/\{[^}]*\}/g, '')
    .replace(/\[[^\]]*\]/g, '')
    .replace(/\b(?:by|on|without|ignoring|group_left|group_right)\s*\([^)]*\)/g, '');
  return [...bare.matchAll(/(?<![\w.])[a-zA-Z_][\w:]*(?!\w|\s*\()/g)]
    .map(([name]) => name)
    .filter((name) => !/^(?:and|or|unless|bool|offset)$/.test(name));
}
