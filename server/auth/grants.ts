/**
 * What a token or a key allows: patterns `stream:*` and exact topics.
 *
 * In a pattern, `{sub}` is replaced by the subject, and only by one that is a plain key: a subject called `*` must not
 * turn the grant of one key into a grant of the whole stream.
 */
import { ALL_KEYS, isKey, parseTopic, type Topic } from '@axiom-streaming/protocol/topic';

const SUBJECT = '{sub}';

/** Topic patterns, grouped by stream. */
export class Grants {
  readonly #keys = new Map<string, Set<string>>();

  /** @throws RangeError that names the invalid pattern. */
  constructor(patterns: readonly string[], subject: string) {
    for (const pattern of patterns) {
      const { stream, key } = parsePattern(pattern, subject);
      this.#keys.set(stream, (this.#keys.get(stream) ?? new Set()).add(key));
    }
  }

  /** Whether a topic is granted; `stream:*` requires a grant of the whole stream. */
  allow({ stream, key }: Topic): boolean {
    const keys = this.#keys.get(stream);
    return keys !== undefined && (keys.has(ALL_KEYS) || keys.has(key));
  }

  /** Whether anything of a stream is granted. */
  reach(stream: string): boolean {
    return this.#keys.has(stream);
  }
}

function parsePattern(pattern: string, subject: string): Topic {
  const substituted = pattern.includes(SUBJECT);
  if (substituted && !isKey(subject)) {
    throw new RangeError(`"${pattern}" needs a subject that can be part of a topic`);
  }
  const topic = parseTopic(pattern.replaceAll(SUBJECT, subject));
  const colon = pattern.indexOf(':');
  if (topic === undefined || (substituted && pattern.indexOf(SUBJECT) < colon)) {
    throw new RangeError(`"${pattern.slice(0, 100)}" is neither a topic nor a pattern like "market:*"`);
  }
  return topic;
}
