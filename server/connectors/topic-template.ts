/** Makes a topic from the values of a row: `signals:orders/{account}`. */
import { STREAM_NAME } from '@axiom-streaming/protocol/topic';

const FIELD = /\{([A-Za-z_][A-Za-z0-9_$]*)\}/g;

/** A topic with placeholders. */
export interface TopicTemplate {
  /** Names of the values that the topic is made from. */
  readonly fields: readonly string[];
  /** The topic for these values, given as text; undefined if one of them is missing. */
  topicOf(values: ReadonlyMap<string, string>): string | undefined;
}

/** @throws Error that says what is wrong with the text. */
function parseTopicTemplate(text: string): TopicTemplate {
  const colon = text.indexOf(':');
  const [stream, key] = [text.slice(0, colon), text.slice(colon + 1)];
  if (colon < 0 || key === '' || !STREAM_NAME.test(stream))
    throw new Error(`"${text}" is not of the form stream:key`);
  if (!/^[A-Za-z0-9._/-]*$/.test(key.replace(FIELD, ''))) {
    throw new Error(`the key of "${text}" may only have A-Z a-z 0-9 . _ - / and {name}`);
  }
  const fields = [...new Set([...key.matchAll(FIELD)].map(([, field = '']) => field))];
  return {
    fields,
    topicOf: (values) => {
      if (!fields.every((field) => values.has(field))) return undefined;
      return `${stream}:${key.replace(FIELD, (_, field: string) => values.get(field) ?? '')}`;
    },
  };
}

/**
 * Parses a comma-separated list of templates, each with what it is for: `public.orders=signals:orders/{account}`.
 *
 * @param nameOf parses what is before `=`; returns undefined if that is not valid
 * @throws Error that names the entry that is wrong, or is there twice
 */
export function parseMappings<T>(
  text: string,
  nameOf: (name: string) => T | undefined,
  example: string,
): (T & TopicTemplate)[] {
  const names = new Set<string>();
  return text
    .split(',')
    .map((entry) => entry.trim())
    .filter(Boolean)
    .map((entry) => {
      const equals = entry.indexOf('=');
      const name = entry.slice(0, equals).trim();
      const parsed = equals < 0 ? undefined : nameOf(name);
      if (parsed === undefined) throw new Error(`"${entry}" is not a mapping; one looks like ${example}`);
      if (names.has(name)) throw new Error(`"${name}" is named twice`);
      names.add(name);
      try {
        return { ...parsed, ...parseTopicTemplate(entry.slice(equals + 1).trim()) };
      } catch (error) {
        throw new Error(`"${entry}": ${(error as Error).message}`);
      }
    });
}
