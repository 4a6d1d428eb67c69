/**
 * Keys of services: long random strings that do not end. What is stored is their SHA-256. A slow hash was rejected: it
 * protects what people choose; 256 random bits cannot be guessed, and a publisher sends its key with every request.
 */
import { hash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { Bearer, type ReadAccess, streamGrants } from './claims.js';

const PREFIX = 'axk_';
const KEY_BYTES = 32;

const keysFile = z.record(
  z.string().min(1).max(256),
  z.strictObject({
    hash: z.string().regex(/^sha256:[A-Za-z0-9_-]{43}$/, 'must be "sha256:" and 43 characters'),
    streams: streamGrants,
    admin: z.boolean().default(false),
  }),
);

/** An entry of the file of keys, by the name of the service. */
export type StoredKeys = z.input<typeof keysFile>;

/** A new key, and how it is stored. */
export function createApiKey(): { key: string; hash: string } {
  const key = `${PREFIX}${randomBytes(KEY_BYTES).toString('base64url')}`;
  return { key, hash: storedHash(key) };
}

/** How a key is stored. */
export function storedHash(key: string): string {
  return `sha256:${hash('sha256', key, 'base64url')}`;
}

/** Whether a credential is meant to be a key, and not a token. */
export function looksLikeApiKey(credential: string): boolean {
  return credential.startsWith(PREFIX);
}

/** The keys that are accepted. Looked up by hash: nothing that is compared comes closer to a key by guessing. */
export class ApiKeys {
  readonly #byHash = new Map<string, Bearer>();

  /** @throws RangeError for a pattern that is none. */
  constructor(stored: StoredKeys, read: ReadAccess) {
    for (const [sub, { hash: keyHash, streams, admin }] of Object.entries(keysFile.parse(stored))) {
      this.#byHash.set(keyHash, new Bearer({ sub, issuedAt: 0, streams, admin }, read));
    }
  }

  /** @returns undefined for a key that nobody has. */
  find(key: string): Bearer | undefined {
    return this.#byHash.size === 0 ? undefined : this.#byHash.get(storedHash(key));
  }
}

/** Reads a file of keys. @throws Error with one line for each mistake. */
export function readKeysFile(file: string): StoredKeys {
  const result = keysFile.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (result.success) return result.data;
  throw new Error(
    result.error.issues.map(({ path, message }) => `${[file, ...path].join(' › ')}: ${message}`).join('\n'),
  );
}
