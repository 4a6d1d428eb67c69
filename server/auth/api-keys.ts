/**
 * API keys for services: long random strings that do not expire, stored as their SHA-256. A slow hash was rejected: it
 * protects secrets that people choose, whereas 256 random bits cannot be guessed, and a publisher sends its key with
 * every request.
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
    hash: z.string().regex(/^sha256:[A-Za-z0-9_-]{43}$/, 'must be "sha256:" followed by 43 characters'),
    streams: streamGrants,
    admin: z.boolean().default(false),
  }),
);

/** The entries of the key file, by name of the service. */
export type StoredKeys = z.input<typeof keysFile>;

/** Creates a key. @returns the key, and the hash that is stored. */
export function createApiKey(): { key: string; hash: string } {
  const key = `${PREFIX}${randomBytes(KEY_BYTES).toString('base64url')}`;
  return { key, hash: storedHash(key) };
}

/** The stored form of a key. */
export function storedHash(key: string): string {
  return `sha256:${hash('sha256', key, 'base64url')}`;
}

/** Whether a credential is a key rather than a token, judged by its prefix. */
export function looksLikeApiKey(credential: string): boolean {
  return credential.startsWith(PREFIX);
}

/** The accepted keys. They are looked up by hash, so the time of a comparison reveals nothing about a key. */
export class ApiKeys {
  readonly #byHash = new Map<string, Bearer>();

  /** @throws RangeError for an invalid pattern. */
  constructor(stored: StoredKeys, read: ReadAccess) {
    for (const [sub, { hash: keyHash, streams, admin }] of Object.entries(keysFile.parse(stored))) {
      this.#byHash.set(keyHash, new Bearer({ sub, issuedAt: 0, streams, admin }, read));
    }
  }

  /** @returns undefined for an unknown key. */
  find(key: string): Bearer | undefined {
    return this.#byHash.size === 0 ? undefined : this.#byHash.get(storedHash(key));
  }
}

/** Reads a key file. @throws Error with one line for each mistake. */
export function readKeysFile(file: string): StoredKeys {
  const result = keysFile.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (result.success) return result.data;
  throw new Error(
    result.error.issues.map(({ path, message }) => `${[file, ...path].join(' › ')}: ${message}`).join('\n'),
  );
}
