/** The outcome of a run as a table in Markdown. */
import { isWhole } from './accounting.js';
import { KNOWN_FAILURES } from './known-failures.js';
import type { Result } from './trial.js';

const HEAD = [
  'Client',
  'Over',
  'Through',
  'Published',
  'Received',
  'Lost',
  'Doubled',
  'Out of order',
  'Back after',
];

/** A row of the table: what was tried, and through which proxy. */
export interface Row {
  readonly through: string;
  readonly result: Result;
}

export function table(rows: readonly Row[]): string {
  const cells = rows.map(({ through, result }) => {
    const { entry, account, backAfterS, skipped, failure } = result;
    const first = [entry.name, entry.transport, through];
    if (account === undefined)
      return [...first, skipped === undefined ? 'failed' : 'not tried', '', '', '', '', ''];
    const back =
      backAfterS === undefined ? (failure === undefined ? '' : 'never') : `${backAfterS.toFixed(1)} s`;
    const { published, received, lost, doubled, outOfOrder } = account;
    return [...first, ...[published, received, lost, doubled, outOfOrder].map(String), back];
  });
  const all = [HEAD, ...cells];
  const widths = HEAD.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const isNumber = (column: number) => column > 2;
  const line = (row: readonly string[]) =>
    `| ${row.map((cell, i) => (isNumber(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!))).join(' | ')} |`;
  const rule = `| ${widths.map((width, i) => (isNumber(i) ? `${'-'.repeat(width - 1)}:` : '-'.repeat(width))).join(' | ')} |`;
  return [line(HEAD), rule, ...cells.map(line)].join('\n');
}

/** One line for what is not as it should be, or undefined. */
export function complaint({ entry, account, skipped, failure }: Result): string | undefined {
  if (skipped !== undefined) return `${entry.name} was not tried: ${skipped}`;
  if (failure !== undefined) return `${entry.name}: ${failure}`;
  if (account !== undefined && !isWhole(entry.disorders === true ? { ...account, outOfOrder: 0 } : account)) {
    const { lost, doubled, outOfOrder, announced } = account;
    return `${entry.name}: lost ${lost}, doubled ${doubled}, out of order ${outOfOrder} (${announced} losses announced)`;
  }
  return undefined;
}

/** What a user of each library should know, and what fails today: a list in Markdown. */
export function notes(rows: readonly Row[]): string {
  const entries = new Set(rows.map(({ result }) => result.entry));
  return [...entries]
    .flatMap(({ name, note }) => {
      const known = KNOWN_FAILURES[name];
      const fails = known === undefined ? [] : [`**It fails today**: ${known}.`];
      const texts = [...fails, ...(note === undefined ? [] : [note])];
      return texts.length === 0 ? [] : [`- ${name}: ${texts.join(' ')}`];
    })
    .join('\n');
}

const BEGIN = '<!-- written by `npm run wild -- --write` -->';
const END = '<!-- end of what is written -->';

/** A page with the table and the notes between its markers. @throws Error for a page without them */
export function withTable(page: string, rows: readonly Row[]): string {
  const [from, to] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (from === -1 || to < from) throw new Error(`the page has no lines ${BEGIN} and ${END}`);
  return `${page.slice(0, from)}${BEGIN}\n\n${table(rows)}\n\n${notes(rows)}\n\n${page.slice(to)}`;
}
