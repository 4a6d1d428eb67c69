/**
 * What a token or a key allows: patterns `stream:*` and exact topics.
 *
 * In a pattern `{sub}` stands for the subject. It can only ever become a plain key: a subject called `*` must not turn
 * the grant of one key into that of a stream.
 */
import { ALL_KEYS, isKey, parseTopic, type Topic } from '@axiom-streaming/protocol/topic';

const SUBJECT = '{sub}';

/** Patterns of topics, by stream. */
export class Grants {
  readonly #keys = new Map<string, Set<string>>();

  /** @throws RangeError that says which pattern is none. */
  constructor(patterns: readonly string[], subject: string) {
    for (const pattern of patterns) {
      const { stream, key } = parsePattern(pattern, subject);
      this.#keys.set(stream, (this.#keys.get(stream) ?? new Set()).add(key));
    }
  }

  /** Whether a topic is granted; `stream:*` is so only by a grant of the whole stream. */
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
    throw new RangeError(`"${pattern}" wants a subject that can stand in a topic`);
  }
  const topic = parseTopic(pattern.replaceAll(SUBJECT, subject));
  const colon = pattern.indexOf(':');
  if (topic === undefined || (substituted && pattern.indexOf(SUBJECT) < colon)) {
    throw new RangeError(`"${pattern.slice(0, 100)}" is no topic and no pattern like "market:*"`);
  }
  return topic;
}
