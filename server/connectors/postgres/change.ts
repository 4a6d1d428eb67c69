/** Turns a change of a row into the data of a message. */
import type { Pgoutput } from 'pg-logical-replication';

/** Types whose text is JSON, or is a JSON number of at most 64-bit floating precision. By their fixed oids. */
const BOOL = 16;
const NUMBERS: ReadonlySet<number> = new Set([20, 21, 23, 26, 700, 701]);
const JSON_TYPES: ReadonlySet<number> = new Set([114, 3802]);
const keepText = (raw: string) => raw;

/** The kinds of messages that contain a row. */
export type RowChange = Pgoutput.MessageInsert | Pgoutput.MessageUpdate | Pgoutput.MessageDelete;

export function isRowChange(message: Pgoutput.Message): message is RowChange {
  return message.tag === 'insert' || message.tag === 'update' || message.tag === 'delete';
}

/** To be called with each description of a table, so that values are read as the text that PostgreSQL sent. */
export function keepTexts(relation: Pgoutput.MessageRelation): void {
  for (const column of relation.columns) column.parser = keepText;
}

export function tableOf({ relation }: RowChange): string {
  return `${relation.schema}.${relation.name}`;
}

type Tuple = Readonly<Record<string, unknown>>;

/** The row after the change; for a deletion, the columns of the table's replica identity. */
function rowOf(change: RowChange): Tuple {
  return change.tag === 'delete' ? (change.old ?? change.key ?? {}) : change.new;
}

/** The values of some columns, as text; columns that are null or were not sent are missing. */
export function textsOf(change: RowChange, columns: readonly string[]): Map<string, string> {
  const row = rowOf(change);
  const texts = new Map<string, string>();
  for (const column of columns) {
    const value = row[column];
    if (typeof value === 'string') texts.set(column, value);
  }
  return texts;
}

/**
 * `{"op":"insert","table":"public.orders","row":{…}}`. An update has the previous row in `old` if the table's replica
 * identity includes it, and in `unchanged` the large columns that PostgreSQL does not send again. A deletion has only
 * `old`.
 */
export function dataOf(change: RowChange): string {
  const { relation, tag } = change;
  const head = `{"op":"${tag}","table":${JSON.stringify(tableOf(change))}`;
  if (tag === 'delete') return `${head},"old":${tupleJson(relation, rowOf(change))}}`;
  const before = tag === 'update' ? (change.old ?? change.key) : null;
  const old = before === null ? '' : `,"old":${tupleJson(relation, before)}`;
  const missing = relation.columns
    .filter(({ name }) => change.new[name] === undefined)
    .map(({ name }) => name);
  const unchanged = missing.length === 0 ? '' : `,"unchanged":${JSON.stringify(missing)}`;
  return `${head},"row":${tupleJson(relation, change.new)}${old}${unchanged}}`;
}

function tupleJson({ columns }: Pgoutput.MessageRelation, tuple: Tuple): string {
  const members = columns
    .filter(({ name }) => tuple[name] !== undefined)
    .map(({ name, typeOid }) => `${JSON.stringify(name)}:${valueJson(typeOid, tuple[name])}`);
  return `{${members.join(',')}}`;
}

/**
 * Whole numbers beyond 2^53, `numeric`, `NaN` and dates are strings: as JSON numbers they would lose digits or be
 * invalid.
 */
function valueJson(typeOid: number, value: unknown): string {
  if (value === null) return 'null';
  const text = String(value);
  if (typeOid === BOOL) return text === 't' ? 'true' : 'false';
  if (JSON_TYPES.has(typeOid)) return text;
  if (NUMBERS.has(typeOid)) {
    const number = Number(text);
    const isExact = Number.isInteger(number) ? Number.isSafeInteger(number) : Number.isFinite(number);
    if (isExact) return String(number);
  }
  return JSON.stringify(text);
}
