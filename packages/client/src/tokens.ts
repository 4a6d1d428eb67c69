/** Where tokens come from. */
import { HubError } from './hub-error.js';
import type { TokenSource } from './types.js';

/** Asks for a token. @throws HubError `token_unavailable` if its source fails. */
export async function askToken(source: TokenSource): Promise<string | undefined> {
  try {
    return (typeof source === 'function' ? await source() : source) || undefined;
  } catch (error) {
    throw new HubError('token_unavailable', `token() failed: ${error}`);
  }
}
