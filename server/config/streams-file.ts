/** The catalogue of streams as a file: `STREAMS_FILE`. */
import { readFileSync } from 'node:fs';
import { CURSOR_MAX_STREAMS } from '@axiom-streaming/protocol/cursor';
import { STREAM_NAME } from '@axiom-streaming/protocol/topic';
import { z } from 'zod';
import { READ_ACCESS, STREAM_DEFAULTS, type StreamConfig, WRITE_ACCESS } from '../hub/streams.js';

const streamsFile = z.record(
  z.string().regex(STREAM_NAME, 'a stream is named like "market": 1 to 32 of a-z 0-9 _ -, a letter first'),
  z.strictObject({
    class: z.enum(['state', 'log', 'ledger']).default(STREAM_DEFAULTS.class),
    maxMessages: z.number().int().min(1).max(100_000_000).default(STREAM_DEFAULTS.maxMessages),
    maxAgeMs: z.number().int().min(1_000).default(STREAM_DEFAULTS.maxAgeMs),
    maxBytes: z.number().int().min(1_048_576).max(1_099_511_627_776).default(STREAM_DEFAULTS.maxBytes),
    maxKeys: z.number().int().min(1).max(10_000_000).default(STREAM_DEFAULTS.maxKeys),
    maxKeysPerSubject: z.number().int().min(1).max(10_000_000).optional(),
    maxBytesPerSubject: z.number().int().min(65_536).max(1_099_511_627_776).optional(),
    read: z.enum(READ_ACCESS).default(STREAM_DEFAULTS.read),
    write: z.enum(WRITE_ACCESS).default(STREAM_DEFAULTS.write),
    archive: z.boolean().default(STREAM_DEFAULTS.archive),
  }),
);

/** Reads the catalogue and reports its mistakes, one line each. */
export function readStreams(file: string, mistakes: string[]): StreamConfig[] {
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    mistakes.push(`STREAMS_FILE: ${error instanceof Error ? error.message : String(error)}`);
    return [];
  }
  const result = streamsFile.safeParse(content);
  if (!result.success) {
    for (const issue of result.error.issues) {
      // The reason why a name is refused is nested in the issue.
      const message =
        issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
      mistakes.push(`STREAMS_FILE: ${[file, ...issue.path.map(String)].join(' › ')}: ${message}`);
    }
    return [];
  }
  const streams = Object.entries(result.data).map(([name, stream]) => ({ name, ...stream }));
  if (streams.length > CURSOR_MAX_STREAMS) {
    mistakes.push(
      `STREAMS_FILE: ${file} names ${streams.length} streams; a hub has at most ${CURSOR_MAX_STREAMS}`,
    );
  }
  if (streams.length === 0) mistakes.push(`STREAMS_FILE: ${file} names no stream`);
  return streams;
}

/** The mistakes in the bounds of a stream that would never take the largest message, however empty it is. */
export function tooSmallFor(
  { name, maxBytes, maxBytesPerSubject }: StreamConfig,
  maxMessageBytes: number,
): string[] {
  const bounds = [
    ['maxBytes', maxBytes, 4],
    ['maxBytesPerSubject', maxBytesPerSubject, 2],
  ] as const;
  return bounds
    .filter(([, bytes, times]) => bytes !== undefined && bytes < times * maxMessageBytes)
    .map(
      ([bound, , times]) => `STREAMS_FILE: ${name} › ${bound}: must be at least ${times} × MAX_MESSAGE_BYTES`,
    );
}
