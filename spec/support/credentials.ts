/**
 * The credential that every client of the specs brings unless a spec says otherwise: the publish key of nodes that are
 * started for development. The conformance suite brings what it was given.
 */
export const SPEC_KEY = process.env.CONFORMANCE_TOKEN ?? 'the-publish-key-of-the-specs';

/** The header that carries a token; none for an empty one. */
export function authorization(token: string = SPEC_KEY): Record<string, string> {
  return token === '' ? {} : { Authorization: `Bearer ${token}` };
}
