/** What the process of a hostile client is told, and answers. */

/** Kinds of harm, in the order in which they are tried. */
export const HOSTILE_KINDS = [
  'inflating lines',
  'inflating fields',
  'inflating brackets',
  'history of a rare key',
  'large history',
  'answers that nobody reads',
  'calls of MCP',
  'waits of MCP',
  'documents',
  'nothing there',
  'unknown sessions',
  'handshakes',
  'tickets',
  'unfinished bodies',
  'snapshots again and again',
  'unknown operations',
  'malformed publishes',
  'wide frames',
  'parked sessions',
  'new keys',
  'publishes at the limit',
] as const;
export type HostileKind = (typeof HOSTILE_KINDS)[number];

export interface HostileOrder {
  readonly port: number;
  /** Missing: a stranger. */
  readonly token?: string | undefined;
  readonly kind: HostileKind | 'all at once';
  readonly seconds: number;
}

export interface HostileAnswer {
  /** How often it tried. */
  readonly attempts: number;
}
