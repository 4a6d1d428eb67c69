/** Why the hub ends connections for reasons of access, and with what it closes them. */
import { CLOSE, type CloseCode } from '@axiom-streaming/protocol/close-codes';

/** Why the hub ended a connection for reasons of access. */
export const END_REASONS = [
  'expired',
  'revoked',
  'changed',
  'unauthenticated',
  'cut',
  'banned',
  'too_many',
] as const;
export type EndReason = (typeof END_REASONS)[number];

/** What a connection is closed with. */
export const CLOSE_OF: Readonly<Record<EndReason, CloseCode>> = {
  expired: CLOSE.token,
  revoked: CLOSE.token,
  // Its client comes back and is told topic by topic what it may no longer read.
  changed: CLOSE.drain,
  unauthenticated: CLOSE.token,
  cut: CLOSE.denied,
  banned: CLOSE.denied,
  too_many: CLOSE.tooMany,
};
