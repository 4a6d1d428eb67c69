/** What a publisher is told where the log did not take a message. */
import { ERRORS, HubError } from '../errors.js';
import type { AppendEntry, AppendRefusal } from './stream-log.js';

/** Room comes when something becomes too old: nobody knows when, and asking more often would not help. */
const RETRY_AFTER_MS = 30_000;

/** A reason that a publication can be refused for: it has no position in a source, and deletes nothing. */
export type PublishRefusal = Exclude<AppendRefusal, 'passed' | 'unknown_key'>;

/** The error for a refused entry. */
export function refusalError(
  stream: string,
  { id, subject = '' }: AppendEntry,
  status: PublishRefusal,
): HubError {
  switch (status) {
    case 'conflict':
      return new HubError('idempotency_conflict', `id: "${id}" was used for another message of this topic`, {
        field: 'id',
      });
    case 'too_many_keys':
      return new HubError(
        'too_many_keys',
        `topic: "${stream}" takes no further key (${ERRORS.too_many_keys.title})`,
        { field: 'topic', retryAfterMs: RETRY_AFTER_MS },
      );
    case 'values_full':
      return quota('data', `the newest values of "${stream}" take half of its maxBytes, and may not grow`);
    case 'values_of_subject':
      return quota(
        'data',
        `the newest values of keys of one subject take as much of "${stream}" as they may`,
      );
    case 'keys_of_subject':
      return quota('topic', `"${subject}" has as many keys of "${stream}" as one subject may have`);
    case 'bytes_of_subject':
      return quota('data', `"${subject}" has as many bytes in "${stream}" as one subject may have`);
    case 'ids_full':
      return new HubError('overloaded', `id: "${stream}" remembers as many ids as it has room for`, {
        field: 'id',
        retryAfterMs: RETRY_AFTER_MS,
      });
  }
}

function quota(field: string, what: string): HubError {
  return new HubError('quota_exceeded', `${field}: ${what}`, { field, retryAfterMs: RETRY_AFTER_MS });
}
