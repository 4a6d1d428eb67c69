import type { StreamClass } from '@axiom-streaming/protocol/message';
import type { Retention } from '../log/stream-log.js';
import type { Principal } from './access.js';

/** One entry of the catalogue: an operator's settings for a stream. */
export interface StreamConfig extends Retention {
  readonly name: string;
  readonly class: StreamClass;
  /** Who may read it: anybody, anybody with a token, or those whose token names it. */
  readonly read: (typeof READ_ACCESS)[number];
  /** Who may publish to it: nobody without a grant. */
  readonly write: (typeof WRITE_ACCESS)[number];
  /** Whether its messages are archived, and read from there when the log has trimmed them. */
  readonly archive: boolean;
}

export const READ_ACCESS = ['public', 'authenticated', 'granted'] as const;
export const WRITE_ACCESS = ['granted'] as const;

const HOUR_MS = 3_600_000;

/** What a stream is unless `STREAMS_FILE` says otherwise. */
export const STREAM_DEFAULTS = {
  class: 'log',
  maxMessages: 100_000,
  maxAgeMs: 24 * HOUR_MS,
  maxBytes: 128 * 1024 * 1024,
  maxKeys: 100_000,
  read: 'granted',
  write: 'granted',
  archive: false,
} as const satisfies Omit<StreamConfig, 'name'>;

/** The streams of a hub without a `STREAMS_FILE`. */
export const DEFAULT_STREAMS: readonly StreamConfig[] = [
  { ...STREAM_DEFAULTS, name: 'market', class: 'state', read: 'public' },
  { ...STREAM_DEFAULTS, name: 'news', class: 'log', maxAgeMs: 7 * 24 * HOUR_MS, read: 'public' },
  { ...STREAM_DEFAULTS, name: 'portfolio', class: 'state' },
  { ...STREAM_DEFAULTS, name: 'signals', class: 'ledger', maxAgeMs: 7 * 24 * HOUR_MS, archive: true },
  { ...STREAM_DEFAULTS, name: 'system', class: 'state', maxMessages: 20_000, read: 'public' },
];

/** The streams of which a principal may read something, as a welcome lists them. */
export function visibleStreams(
  { streams }: { readonly streams: ReadonlyMap<string, { readonly config: StreamConfig }> },
  principal: Principal,
): { name: string; class: StreamClass }[] {
  return [...streams.values()]
    .filter(({ config }) => principal.sees(config.name))
    .map(({ config }) => ({ name: config.name, class: config.class }));
}
