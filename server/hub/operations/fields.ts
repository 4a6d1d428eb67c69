/** What the requests of several operations have in common, and how a request is read. */

import { z } from 'zod';
import { HubError } from '../../errors.js';

const MAX_CURSOR_LENGTH = 4096;
/** Of what an error repeats. */
const MAX_QUOTED_LENGTH = 200;

export const topics = z.array(z.string()).min(1, 'names no topic');
/** Its form is for the documents: a cursor of another form is refused as such, with `bad_cursor`. */
export const cursor = z.string().min(1).max(MAX_CURSOR_LENGTH).meta({ pattern: '^[A-Za-z0-9._~-]+$' });

/** @throws HubError `bad_request` that names the first field that is wrong. */
export function parseRequest<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(upToFirstWrong(value));
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const [unknown] = issue?.code === 'unrecognized_keys' ? issue.keys : [];
  const path = unknown === undefined ? issue?.path : [...(issue?.path ?? []), unknown];
  const field = path?.reduce<string>(
    (path, part) =>
      typeof part === 'number' ? `${path}[${part}]` : path === '' ? String(part) : `${path}.${String(part)}`,
    '',
  );
  // A request may have as many unknown names, and as long ones, as its bytes allow.
  const message = shortened(issue?.message ?? 'is malformed');
  if (!field) throw new HubError('bad_request', message);
  throw new HubError('bad_request', `${shortened(field)}: ${message}`, { field: shortened(field) });
}

function shortened(text: string): string {
  return text.length <= MAX_QUOTED_LENGTH ? text : `${text.slice(0, MAX_QUOTED_LENGTH)}…`;
}

/** A request with `topics` up to the first that is no text: a schema would report each of a hundred thousand. */
function upToFirstWrong(value: unknown): unknown {
  const { topics } = (value ?? {}) as { topics?: unknown };
  if (!Array.isArray(topics)) return value;
  const wrong = topics.findIndex((topic) => typeof topic !== 'string');
  return wrong === -1 ? value : { ...(value as object), topics: topics.slice(0, wrong + 1) };
}
