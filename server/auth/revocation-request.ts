import { z } from 'zod';

const name = z.string().min(1).max(256);
const expiresAt = z.number().int().positive().optional();

/**
 * The body of `POST /api/revocations`; `expiresAt` in ms since the Unix epoch. That it lies in the future is checked
 * where the clock is looked at.
 */
export const revocationRequest = z
  .strictObject({ jti: name.optional(), sub: name.optional(), expiresAt })
  .refine(({ jti, sub }) => (jti === undefined) !== (sub === undefined), {
    message: 'must have either jti or sub',
  });

export type RevocationRequest = z.output<typeof revocationRequest>;

/** The longest that anybody can be banned at once: 30 days. */
const MAX_BAN_MS = 30 * 24 * 60 * 60 * 1000;
const forMs = z.number().int().min(0).max(MAX_BAN_MS);

/** The body of `POST /api/bans`: whom to keep away, and for how long from now, ms; 0 ends a ban. */
export const banRequest = z
  .strictObject({ sub: name.optional(), connection: name.optional(), forMs })
  .refine(({ sub, connection }) => (sub === undefined) !== (connection === undefined), {
    message: 'must have either sub or connection',
  });

/**
 * The same for the documents, in which fields that exclude each other are objects of their own. A request is not
 * checked with them: an error would not say which field is wrong.
 */
export const revocationForms = z.union([
  z.strictObject({ jti: name, expiresAt }),
  z.strictObject({ sub: name, expiresAt }),
]);
export const banForms = z.union([
  z.strictObject({ sub: name, forMs }),
  z.strictObject({ connection: name, forMs }),
]);
