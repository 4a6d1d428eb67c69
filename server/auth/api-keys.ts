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

const STORED_HASH = /^sha256:[A-Za-z0-9_-]{43}$/;

const keysFile = z.record(
  z.string().min(1).max(256),
  z.strictObject({
    hash: z.string().regex(STORED_HASH, 'must be "sha256:" followed by 43 characters'),
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

/** Whether a text has the form of {@link storedHash}. */
export function isStoredHash(text: string): boolean {
  return STORED_HASH.test(text);
}

/** How a new set of keys differs from the one before, in numbers of keys. */
export interface KeyChanges {
  readonly added: number;
  readonly changed: number;
  readonly removed: number;
}

/**
 * The accepted keys. They are looked up by hash, so the time of a comparison reveals nothing about a key. The hash is
 * also the id of a key's bearer, by which it is revoked: a new key of the same name is another key.
 */
export class ApiKeys {
  readonly #read: ReadAccess;
  #byHash: ReadonlyMap<string, Bearer> = new Map();
  #byName: ReadonlyMap<string, Bearer> = new Map();

  /** @throws RangeError for an invalid pattern. */
  constructor(stored: StoredKeys, read: ReadAccess) {
    this.#read = read;
    this.replace(stored);
  }

  /** @returns undefined for an unknown key. */
  find(key: string): Bearer | undefined {
    return this.#byHash.size === 0 ? undefined : this.#byHash.get(storedHash(key));
  }

  /** The stored hash of a service's key. */
  hashOf(name: string): string | undefined {
    return this.#byName.get(name)?.tokenId;
  }

  /** The bearer that has the key of an earlier one now; undefined if that key was removed. */
  current({ tokenId }: Pick<Bearer, 'tokenId'>): Bearer | undefined {
    return tokenId === undefined ? undefined : this.#byHash.get(tokenId);
  }

  /**
   * Accepts these keys and no others. A key that stays as it was keeps its bearer.
   *
   * @throws RangeError for an invalid pattern; the keys are then what they were
   */
  replace(stored: StoredKeys): KeyChanges {
    const byHash = new Map<string, Bearer>();
    const changes = { added: 0, changed: 0, removed: 0 };
    const now = Date.now();
    for (const [sub, { hash: keyHash, streams, admin }] of Object.entries(keysFile.parse(stored))) {
      const known = this.#byHash.get(keyHash);
      // Since when this node accepts it: a revocation of its name from before concerned another key.
      const issuedAt = known?.subject === sub ? known.issuedAt : now;
      const identity = { sub, jti: keyHash, issuedAt, streams, admin };
      const isSame = known !== undefined && JSON.stringify(known.identity) === JSON.stringify(identity);
      byHash.set(keyHash, isSame ? known : new Bearer(identity, this.#read));
      if (known === undefined) changes.added += 1;
      else if (!isSame) changes.changed += 1;
    }
    for (const keyHash of this.#byHash.keys()) if (!byHash.has(keyHash)) changes.removed += 1;
    this.#byHash = byHash;
    this.#byName = new Map([...byHash.values()].map((bearer) => [bearer.subject, bearer]));
    return changes;
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
