/**
 * Cursors: the positions of all the streams that a connection reads, as one short string.
 *
 * Clients treat it as opaque. It is made of characters that need no escaping in a URL, an SSE `id:` line or JSON:
 * `market.k3x9Qa.1532~news.Zp81bd.77`. A connection that reads nothing yet has the cursor `-`.
 */
import { isStreamName } from './topic.js';

/** A position in one epoch of a stream: everything up to and including `seq` has been seen. */
export interface Position {
  readonly epoch: string;
  readonly seq: number;
}

/** Positions by stream name. */
export type Positions = ReadonlyMap<string, Position>;

/** The cursor of a connection that reads no stream. */
export const EMPTY_CURSOR = '-';

/** More streams than this in one cursor are refused: no hub has that many, but a hostile client might send them. */
export const CURSOR_MAX_STREAMS = 64;
const EPOCH = /^[A-Za-z0-9]{1,16}$/;
const SEQ = /^(0|[1-9][0-9]{0,15})$/;

/** One stream's part of a cursor. */
export function formatPosition(stream: string, epoch: string, seq: number): string {
  return `${stream}.${epoch}.${seq}`;
}

/** Joins parts made by {@link formatPosition}. */
export function joinPositions(parts: readonly string[]): string {
  return parts.length === 0 ? EMPTY_CURSOR : parts.join('~');
}

/** The cursor for these positions, streams in the order of the map. */
export function formatCursor(positions: Positions): string {
  return joinPositions([...positions].map(([stream, { epoch, seq }]) => formatPosition(stream, epoch, seq)));
}

/** @returns undefined if the text is not a cursor that a hub makes. */
export function parseCursor(text: string): Map<string, Position> | undefined {
  const positions = new Map<string, Position>();
  if (text === EMPTY_CURSOR) return positions;
  const parts = text.split('~', CURSOR_MAX_STREAMS + 1);
  if (parts.length > CURSOR_MAX_STREAMS) return undefined;
  for (const part of parts) {
    const [stream, epoch, seq, ...rest] = part.split('.');
    if (stream === undefined || epoch === undefined || seq === undefined || rest.length > 0) return undefined;
    if (!isStreamName(stream) || !EPOCH.test(epoch) || !SEQ.test(seq) || positions.has(stream))
      return undefined;
    const value = Number(seq);
    if (!Number.isSafeInteger(value)) return undefined;
    positions.set(stream, { epoch, seq: value });
  }
  return positions;
}
