/** Parts of the page that the results are shown on. */
import { writeFileSync } from 'node:fs';
import { type Bar, barChart } from './bar-chart.js';
import { type Circumstances, RESULTS } from './results.js';

/** As people write it: 1,234,567.9 with one digit. */
export function number(value: number, digits = 0): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** The first `labels` columns are text, the others numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], labels = 1): string {
  return [head, head.map((_, i) => (i < labels ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}

/** What a result belongs to, in a line. */
export function under({ at, cpu, cores, memoryGiB, node, commit, versions }: Circumstances): string {
  const programs = Object.entries(versions)
    .filter(([, version]) => version !== '')
    .map(([name, version]) => `${name} ${version}`);
  return `${at} UTC, commit ${commit}, ${cores} cores (${cpu}), ${memoryGiB} GiB, Node.js ${node}; ${programs.join(', ')}.`;
}

/** Writes a chart beside the page. @returns what shows it there. */
export function picture(name: string, title: string, bars: readonly Bar[]): string {
  writeFileSync(`${RESULTS}${name}.svg`, barChart(title, bars));
  return `![${title}](${name}.svg)`;
}
