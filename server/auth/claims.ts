/** What the hub reads from a token, a stored key or a ticket, and the principal that results. */

import type { Topic } from '@axiom-streaming/protocol/topic';
import { z } from 'zod';
import type { Principal } from '../hub/access.js';
import type { StreamConfig } from '../hub/streams.js';
import { Grants } from './grants.js';

const MAX_PATTERNS = 1_000;
const MAX_NAME = 256;

const patterns = z.array(z.string().max(256)).max(MAX_PATTERNS).default([]);
const name = z.string().min(1).max(MAX_NAME);

/** The claim `streams`; entries of the key file have the same field. */
export const streamGrants = z
  .strictObject({ subscribe: patterns, publish: patterns })
  .default({ subscribe: [], publish: [] });

/** The claims of a token; times in seconds. Other claims are ignored. */
export const tokenClaims = z.object({
  sub: name,
  exp: z.number(),
  iat: z.number().optional(),
  jti: name.optional(),
  streams: streamGrants,
  admin: z.boolean().default(false),
});

/** Who may read a stream according to the stream catalogue, by stream name. */
export type ReadAccess = ReadonlyMap<string, StreamConfig['read']>;

/** The data that a principal is made from. Times in ms since the Unix epoch. */
export interface Identity {
  readonly sub: string;
  /** Of a key: its stored hash. */
  readonly jti?: string | undefined;
  /** Of a key: since when this node accepts it. */
  readonly issuedAt: number;
  /** Undefined for a key, and for a key alone: tokens end. */
  readonly expiresAt?: number | undefined;
  readonly streams: { readonly subscribe: readonly string[]; readonly publish: readonly string[] };
  readonly admin: boolean;
}

/** A principal with a token or a key. */
export class Bearer implements Principal {
  readonly subject: string;
  readonly tokenId: string | undefined;
  readonly issuedAt: number;
  readonly expiresAt: number | undefined;
  readonly admin: boolean;
  /** The data it was made from; a ticket stores it. */
  readonly identity: Identity;
  readonly #read: ReadAccess;
  readonly #subscribe: Grants;
  readonly #publish: Grants;

  /** @throws RangeError for an invalid pattern. */
  constructor(identity: Identity, read: ReadAccess) {
    this.identity = identity;
    this.subject = identity.sub;
    this.tokenId = identity.jti;
    this.issuedAt = identity.issuedAt;
    this.expiresAt = identity.expiresAt;
    this.admin = identity.admin;
    this.#read = read;
    this.#subscribe = new Grants(identity.streams.subscribe, identity.sub);
    this.#publish = new Grants(identity.streams.publish, identity.sub);
  }

  get publishes(): boolean {
    return this.identity.streams.publish.length > 0;
  }

  mayRead(topic: Topic): boolean {
    const read = this.#read.get(topic.stream);
    return read === 'public' || read === 'authenticated' || this.#subscribe.allow(topic);
  }

  mayPublish(topic: Topic): boolean {
    return this.#publish.allow(topic);
  }

  sees(stream: string): boolean {
    return this.#read.get(stream) !== 'granted' || this.#subscribe.reach(stream);
  }
}

/** The principal of a request without a credential. @param readsAll in development mode: it may read everything */
export function nobody(read: ReadAccess, readsAll: boolean): Principal {
  const sees = (stream: string) => readsAll || read.get(stream) === 'public';
  return {
    subject: undefined,
    tokenId: undefined,
    issuedAt: 0,
    expiresAt: undefined,
    admin: false,
    publishes: false,
    mayRead: ({ stream }) => sees(stream),
    mayPublish: () => false,
    sees,
  };
}
