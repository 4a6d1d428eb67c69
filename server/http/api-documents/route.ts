/** One route in the document of HTTP. */

import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import type { z } from 'zod';

export interface Parameter {
  readonly name: string;
  readonly in: 'path' | 'query' | 'header';
  readonly description: string;
  readonly schema: z.ZodType;
  readonly example?: string | number;
}

export interface Answer {
  readonly status: number;
  readonly description: string;
  readonly type?: 'application/json' | 'text/event-stream' | 'text/plain';
  /** Another type that a client has to accept, though the answer may never have it. */
  readonly or?: 'text/event-stream';
  readonly schema?: z.ZodType;
}

export interface Route {
  readonly method: 'get' | 'post' | 'delete';
  /** As Express writes it. */
  readonly path: string;
  readonly id: string;
  readonly tag: 'Publish' | 'Read' | 'Operate' | 'Administer' | 'Agents';
  readonly summary: string;
  readonly description?: string;
  /** `optional`: a token shows more. */
  readonly token: 'none' | 'optional' | 'required';
  readonly parameters?: readonly Parameter[];
  readonly body?: { readonly description: string; readonly schema: z.ZodType; readonly example: unknown };
  readonly answers: readonly Answer[];
  /** Error codes of this route, besides those of every route. */
  readonly errors: readonly ErrorCode[];
  /** For a shell with `TOKEN`; the hub's address is {@link EXAMPLE_ORIGIN}. */
  readonly example: string;
}

/** The address of the hub in examples; readers see the address they reached the hub by instead. */
export const EXAMPLE_ORIGIN = 'http://localhost:8001';
/** For curl. */
export const BEARER = '-H "Authorization: Bearer $TOKEN"';

export function json(description: string, schema: z.ZodType, status = 200): Answer {
  return { status, description, type: 'application/json', schema };
}
