/**
 * How a log recognises a repeated publication.
 *
 * An id belongs to its publisher and its topic: were it shared, one subject could take the ids of another, and learn
 * from a conflict which ids are in use. The logs keep digests only, so that what they remember has a fixed size.
 */
import { hash } from 'node:crypto';
import type { AppendEntry } from './stream-log.js';

/**
 * The name under which a log remembers a publication with an id, in its stream: 27 characters of A-Z a-z 0-9 - _. The
 * same for the same subject, key and id, on every node. Publications without a subject share one name space.
 */
export function nameOfId({ subject = '', key }: AppendEntry, id: string): string {
  // A key has no line break, and the id comes last: no two triples have one text. JSON keeps the subject on one line.
  return hash('sha1', `${JSON.stringify(subject)}\n${key}\n${id}`, 'base64url');
}

/** What tells a repeat from another message under the same id: 27 characters, as {@link nameOfId}. */
export function digestOf({ key, data }: AppendEntry): string {
  return hash('sha1', `${key}\0${data}`, 'base64url');
}
