/**
 * Topics: what a client subscribes to. `stream:key` is one key of a stream, `stream:*` the whole stream.
 *
 * A key has no `*` and no `:`, so every topic is unambiguous.
 */

/** Lower-case name of a configured stream, e.g. `market`. */
export const STREAM_NAME = /^[a-z][a-z0-9_-]{0,31}$/;
const KEY = /^[A-Za-z0-9._\-/]{1,128}$/;

/** The key that stands for every key of a stream. */
export const ALL_KEYS = '*';

/** A parsed topic. `key` is `*` for the whole stream. */
export interface Topic {
  readonly stream: string;
  readonly key: string;
}

/** True for a name that a stream may have. */
export function isStreamName(name: string): boolean {
  return STREAM_NAME.test(name);
}

/** True for a key that a message may have (`*` is not one). */
export function isKey(key: string): boolean {
  return KEY.test(key);
}

/** `stream:key` from its parts. */
export function topicName(stream: string, key: string): string {
  return `${stream}:${key}`;
}

/**
 * Parses a topic as a client names it, `market:AAPL` or `market:*`.
 *
 * @returns undefined if the text is not a topic; whether the stream exists is up to the hub.
 */
export function parseTopic(text: string): Topic | undefined {
  const colon = text.indexOf(':');
  if (colon < 1) return undefined;
  const stream = text.slice(0, colon);
  const key = text.slice(colon + 1);
  if (!isStreamName(stream)) return undefined;
  if (key !== ALL_KEYS && !isKey(key)) return undefined;
  return { stream, key };
}

/** What a topic looks like, for error messages. */
export const TOPIC_FORM = '"stream:key" or "stream:*", where the key has 1 to 128 of A-Z a-z 0-9 . _ - /';
