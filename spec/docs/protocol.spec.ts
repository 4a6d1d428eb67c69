/** Holds `docs/PROTOCOL.md` to the code: nothing is missing in its tables, nothing is documented but gone. */
import { readFileSync } from 'node:fs';
import { CLOSE } from '@axiom-streaming/protocol/close-codes';
import type { NotRecovered, StreamClass } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import { COSTS, type Cost } from '../../server/auth/costs.js';
import { VARIABLES } from '../../server/config/variables.js';
import { ERRORS } from '../../server/errors.js';
import { OPERATION_NAMES } from '../../server/hub/operations/handler.js';
import { HISTORY_DEFAULT_LIMIT, HISTORY_MAX_LIMIT } from '../../server/hub/operations/history.js';
import { STREAM_DEFAULTS } from '../../server/hub/streams.js';

/** The document, seen from the compiled file. */
const PROTOCOL = readFileSync(new URL('../../../docs/PROTOCOL.md', import.meta.url), 'utf8');

/** Every reason there is: the compiler refuses one too few and one too many. */
const REASONS = Object.keys({
  epoch_changed: true,
  trimmed: true,
  ahead: true,
  limit: true,
  no_position: true,
  conflated: true,
  denied: true,
} satisfies Record<NotRecovered, true>);
const CLASSES = Object.keys({ state: true, log: true, ledger: true } satisfies Record<StreamClass, true>);

describe('docs/PROTOCOL.md', () => {
  it('lists every error with its status, and whether retrying can help', () => {
    expect(table('## 12. Errors').map(([code, status, , retry]) => [code, status, retry])).to.deep.equal(
      Object.entries(ERRORS).map(([code, { status, retry }]) => [code, String(status), retry ? 'yes' : 'no']),
    );
  });

  it('lists every close code with its name, its meaning, and whether to reconnect', () => {
    expect(
      table('### Close codes').map(([code, name, meaning, reconnect]) => ({
        code,
        name,
        meaning: meaning?.replaceAll('`', ''),
        reconnect,
      })),
    ).to.deep.equal(Object.values(CLOSE).map((close) => ({ ...close, code: String(close.code) })));
  });

  it('lists every reason for which a topic is not recovered', () => {
    expect(firstCells('## 5. Verdicts')).to.deep.equal(REASONS);
  });

  it('lists every class of streams', () => {
    expect(table('## 1. Words', 'Class').map(([name]) => name)).to.deep.equal(CLASSES);
  });

  it('lists every operation, and describes each in a section of its own', () => {
    expect(firstCells('## 4. Operations')).to.deep.equal(OPERATION_NAMES);
    const sections = [...section('## 4. Operations').matchAll(/^### (\w+)$/gm)].map(([, name]) => name);
    expect(sections).to.deep.equal(OPERATION_NAMES);
  });

  it('tells the defaults of the limits as the configuration has them', () => {
    const named = table('## 13. Limits').filter(([, name]) => name !== '');
    expect(named).not.to.have.length(0);
    const defaults: Record<string, string> = {
      ...Object.fromEntries(Object.entries(VARIABLES).map(([name, { default: value }]) => [name, value])),
      ...Object.fromEntries(Object.entries(STREAM_DEFAULTS).map(([name, value]) => [name, String(value)])),
    };
    for (const [, name, value] of named) {
      expect(defaults, `the setting ${name}`).to.have.property(name!);
      expect(value, `the default of ${name}`).to.equal(defaults[name!]);
    }
  });

  it('tells what costs what as it is counted', () => {
    const rows = Object.entries(COSTS).map(([name, { perUnit, what }]: [string, Cost]) => {
      const units =
        perUnit > 1 ? `1 for each ${perUnit.toLocaleString('en')}` : String(Math.round(1 / perUnit));
      return [name, what.replace(/^`([^`]*)`$/, '$1'), units];
    });
    expect(table('### What costs what')).to.deep.equal(rows);
  });

  it('names no variable that does not exist', () => {
    const named = [...PROTOCOL.matchAll(/`([A-Z]+(?:_[A-Z]+)+)`/g)].map(([, name]) => name!);
    for (const name of named) expect(VARIABLES, name).to.have.property(name);
  });

  it('tells the bounds of history', () => {
    const limit = table('### history').find(([field]) => field === 'limit');
    expect(limit?.slice(2, 4)).to.deep.equal([`1 to ${HISTORY_MAX_LIMIT}`, String(HISTORY_DEFAULT_LIMIT)]);
  });

  it('has examples that are JSON where they say so', () => {
    const examples = [...PROTOCOL.matchAll(/^```json\n(.*?)^```$/gms)].map(([, text]) => text!);
    expect(examples).not.to.have.length(0);
    for (const text of examples) expect(() => JSON.parse(text), text).not.to.throw();
  });

  it('links to sections that exist', () => {
    const anchors = [...PROTOCOL.matchAll(/^#+ (.+)$/gm)].map(([, title]) => anchor(title!));
    const links = [...PROTOCOL.matchAll(/\]\(#([^)]+)\)/g)].map(([, link]) => link!);
    expect(links).not.to.have.length(0);
    for (const link of links) expect(anchors).to.include(link);
  });
});

/** The text below a heading, up to the next one of its level or above. @throws Error where there is none. */
function section(heading: string): string {
  const lines = PROTOCOL.split('\n');
  const start = lines.indexOf(heading);
  if (start === -1) throw new Error(`docs/PROTOCOL.md has no heading "${heading}"`);
  const level = heading.indexOf(' ');
  const rest = lines.slice(start + 1);
  const end = rest.findIndex((line) => /^#+ /.test(line) && line.indexOf(' ') <= level);
  return (end === -1 ? rest : rest.slice(0, end)).join('\n');
}

/** The rows of the first table below a heading, or of the first whose first column is called so. Without backticks. */
function table(heading: string, firstColumn?: string): string[][] {
  const tables = section(heading)
    .split(/\n(?!\|)/)
    .map((block) =>
      block
        .split('\n')
        .filter((line) => line.startsWith('|'))
        .map(cells),
    )
    .filter((rows) => rows.length > 2);
  const found = tables.find(([head]) => firstColumn === undefined || head?.[0] === firstColumn);
  if (found === undefined) throw new Error(`docs/PROTOCOL.md has no table below "${heading}"`);
  return found.slice(2);
}

function cells(line: string): string[] {
  return line
    .slice(1, -1)
    .split('|')
    .map((cell) => cell.trim().replace(/^`([^`]*)`$/, '$1'));
}

function firstCells(heading: string): string[] {
  return table(heading).map(([first]) => first!);
}

/** The anchor of a heading as GitHub makes it. */
function anchor(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w\s-]/g, '')
    .replace(/ /g, '-');
}
