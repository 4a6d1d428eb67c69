/** The publish key of nodes that benches start for development. */
export const PUBLISH_KEY = 'the-publish-key-of-the-benches';

/** The header with this key. */
export const AUTHORIZATION = { Authorization: `Bearer ${PUBLISH_KEY}` };

/** The secret of nodes that check tokens. */
export const JWT_SECRET = 'the secret of the benches, 32 bytes and more';
