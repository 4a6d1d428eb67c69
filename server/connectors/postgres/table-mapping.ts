/** Maps tables to topics: `public.orders=signals:orders/{account}`. */
import { parseMappings, type TopicTemplate } from '../topic-template.js';

/** One table, and the topic that is made from columns of its rows. */
export interface TableMapping extends TopicTemplate {
  /** `schema.table` */
  readonly table: string;
}

const TABLE = /^[A-Za-z_][A-Za-z0-9_$]*\.[A-Za-z_][A-Za-z0-9_$]*$/;

/** @throws Error that names the entry that is wrong. */
export function parseTableMappings(text: string): TableMapping[] {
  return parseMappings(
    text,
    (table) => (TABLE.test(table) ? { table } : undefined),
    'public.orders=signals:orders/{account}',
  );
}
