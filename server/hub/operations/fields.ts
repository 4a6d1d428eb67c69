/** What the requests of several operations have in common, and how a request is read. */

import { z } from 'zod';
import { HubError } from '../../errors.js';

const MAX_CURSOR_LENGTH = 4096;

export const topics = z.array(z.string()).min(1, 'names no topic');
/** Its form is for the documents: a cursor of another form is refused as such, with `bad_cursor`. */
export const cursor = z.string().min(1).max(MAX_CURSOR_LENGTH).meta({ pattern: '^[A-Za-z0-9._~-]+$' });

/** @throws HubError `bad_request` that names the first field that is wrong. */
export function parseRequest<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const [unknown] = issue?.code === 'unrecognized_keys' ? issue.keys : [];
  const path = unknown === undefined ? issue?.path : [...(issue?.path ?? []), unknown];
  const field = path?.reduce<string>(
    (path, part) =>
      typeof part === 'number' ? `${path}[${part}]` : path === '' ? String(part) : `${path}.${String(part)}`,
    '',
  );
  const message = issue?.message ?? 'is malformed';
  throw new HubError('bad_request', field ? `${field}: ${message}` : message, field ? { field } : {});
}
