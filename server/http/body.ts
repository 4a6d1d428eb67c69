import { isUtf8 } from 'node:buffer';
import { HubError } from '../errors.js';

// It leaves out a byte order mark.
const UTF8 = new TextDecoder('utf-8', { fatal: true });

/** The text of a body, without a byte order mark. @throws HubError `bad_json` if the bytes are not UTF-8. */
export function bodyText(body: unknown): string {
  if (!Buffer.isBuffer(body)) return '';
  try {
    return UTF8.decode(body);
  } catch (error) {
    throw new HubError('bad_json', 'the body is not UTF-8', { field: 'body', cause: error });
  }
}

/** @throws HubError `bad_json` that names `where`. */
export function parseJson(text: string, where: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    const reason =
      text.trim() === '' ? 'is empty' : `is not JSON: ${error instanceof Error ? error.message : error}`;
    throw new HubError('bad_json', `${where} ${reason}`, { field: where, cause: error });
  }
}

/**
 * The text of a header: Node.js reads its bytes as Latin-1, and clients write UTF-8. What is not UTF-8 stays as it is.
 */
export function headerText(header: string): string {
  const bytes = Buffer.from(header, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : header;
}
