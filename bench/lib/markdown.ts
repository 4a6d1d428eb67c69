/** Building blocks of the page with the results. */
import { writeFileSync } from 'node:fs';
import { type Bar, barChart } from './bar-chart.js';
import { type Circumstances, RESULTS } from './results.js';

/** A number with separators: 1,234,567.9 with one digit. */
export function number(value: number, digits = 0): string {
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

/** The first `labels` columns are text, the others numbers. */
export function table(head: readonly string[], rows: readonly (readonly string[])[], labels = 1): string {
  return [head, head.map((_, i) => (i < labels ? '---' : '---:')), ...rows]
    .map((row) => `| ${row.join(' | ')} |`)
    .join('\n');
}

/** The circumstances of a result, in one line. */
export function under({ at, cpu, cores, memoryGiB, node, commit, versions }: Circumstances): string {
  const programs = Object.entries(versions)
    .filter(([, version]) => version !== '')
    .map(([name, version]) => `${name} ${version}`);
  return `${at} UTC, commit ${commit}, ${cores} cores (${cpu}), ${memoryGiB} GiB, Node.js ${node}; ${programs.join(', ')}.`;
}

/** Writes a chart next to the page. @returns the markup that shows it. */
export function picture(name: string, title: string, bars: readonly Bar[]): string {
  writeFileSync(`${RESULTS}${name}.svg`, barChart(title, bars));
  return `![${title}](${name}.svg)`;
}
