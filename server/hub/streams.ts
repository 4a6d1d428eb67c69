import type { Retention } from '../log/stream-log.js';
import type { StreamClass } from '../protocol/message.js';

/** One entry of the catalogue: what an operator says of a stream. */
export interface StreamConfig extends Retention {
  readonly name: string;
  readonly class: StreamClass;
}

const HOUR_MS = 3_600_000;

/** What a stream is unless `STREAMS_FILE` says otherwise. */
export const STREAM_DEFAULTS = {
  class: 'log',
  maxMessages: 100_000,
  maxAgeMs: 24 * HOUR_MS,
  maxKeys: 100_000,
} as const satisfies Omit<StreamConfig, 'name'>;

/** The streams of a hub without a `STREAMS_FILE`. */
export const DEFAULT_STREAMS: readonly StreamConfig[] = [
  { ...STREAM_DEFAULTS, name: 'market', class: 'state' },
  { ...STREAM_DEFAULTS, name: 'news', class: 'log', maxAgeMs: 7 * 24 * HOUR_MS },
  { ...STREAM_DEFAULTS, name: 'portfolio', class: 'state' },
  { ...STREAM_DEFAULTS, name: 'signals', class: 'ledger', maxAgeMs: 7 * 24 * HOUR_MS },
  { ...STREAM_DEFAULTS, name: 'system', class: 'state', maxMessages: 20_000 },
];
