/** Which table becomes which topic: `public.orders=signals:orders/{account}`. */
import { STREAM_NAME } from '../../protocol/topic.js';

/** One table. */
export interface TableMapping {
  /** `schema.table` */
  readonly table: string;
  /** Columns that the topic is made from. */
  readonly columns: readonly string[];
  /** The topic of a row, by column the text of its value; undefined where one of them is missing or null. */
  topicOf(values: ReadonlyMap<string, string>): string | undefined;
}

const IDENTIFIER = '[A-Za-z_][A-Za-z0-9_$]*';
const ENTRY = new RegExp(`^(${IDENTIFIER})\\.(${IDENTIFIER})=([^:]*):(.+)$`);
const COLUMN = new RegExp(`\\{(${IDENTIFIER})\\}`, 'g');

/** @throws Error that names the entry which is wrong. */
export function parseTableMappings(text: string): TableMapping[] {
  const entries = text
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean);
  const mappings = entries.map(parseMapping);
  const tables = new Set<string>();
  for (const { table } of mappings) {
    if (tables.has(table)) throw new Error(`"${table}" is named twice`);
    tables.add(table);
  }
  return mappings;
}

function parseMapping(entry: string): TableMapping {
  const [, schema, name, stream = '', key = ''] = ENTRY.exec(entry) ?? [];
  if (schema === undefined || !STREAM_NAME.test(stream)) {
    throw new Error(`"${entry}" is no mapping; one looks like public.orders=signals:orders/{account}`);
  }
  const constant = key.replace(COLUMN, '');
  if (!/^[A-Za-z0-9._/-]*$/.test(constant)) {
    throw new Error(`"${entry}": a key has A-Z a-z 0-9 . _ - / and {column}`);
  }
  const columns = [...new Set([...key.matchAll(COLUMN)].map(([, column = '']) => column))];
  return {
    table: `${schema}.${name}`,
    columns,
    topicOf: (values) => {
      if (!columns.every((column) => values.has(column))) return undefined;
      return `${stream}:${key.replace(COLUMN, (_, column: string) => values.get(column) ?? '')}`;
    },
  };
}
