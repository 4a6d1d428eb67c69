import { z } from 'zod';

const name = z.string().min(1).max(256);

/** The body of `POST /api/revocations`; `expiresAt` in ms since the Unix epoch. */
export const revocationRequest = z
  .strictObject({
    jti: name.optional(),
    sub: name.optional(),
    expiresAt: z.number().int().positive().optional(),
  })
  .refine(({ jti, sub }) => (jti === undefined) !== (sub === undefined), {
    message: 'must have either jti or sub',
  });
