import { z } from 'zod';

/** A JSON Schema, or another object of a document. */
export type Json = Readonly<Record<string, unknown>>;

/** @param target OpenAPI 3.1 reads `draft-2020-12`, AsyncAPI 3 `draft-7` */
export function jsonSchema(schema: z.ZodType, target: 'draft-2020-12' | 'draft-7' = 'draft-2020-12'): Json {
  // As input: what a client may send, and answers that may get further fields.
  const { $schema, ...rest } = z.toJSONSchema(schema, { io: 'input', target, unrepresentable: 'any' });
  return rest;
}
