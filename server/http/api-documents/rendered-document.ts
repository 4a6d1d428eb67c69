import { createHash } from 'node:crypto';
import type { Json } from './json-schema.js';

/** Stands for the host where a document is made. A name that no host has (RFC 6761). */
const PLACEHOLDER = 'host.invalid';
const HASH_CHARACTERS = 20;

/** What depends on the request. */
export interface ReachedBy {
  readonly scheme: 'http' | 'https';
  /** Name and port. */
  readonly host: string;
}

/** A document as text, and its validator. */
export interface DocumentText {
  readonly text: string;
  /** For the header `ETag`. */
  readonly etag: string;
}

/**
 * A document that is made and serialised once for each scheme: that takes tens of milliseconds, and only the host is
 * another for each reader.
 */
export class RenderedDocument {
  readonly #make: (url: string) => Json;
  readonly #basePath: string;
  readonly #templates = new Map<ReachedBy['scheme'], { readonly parts: readonly string[]; hash: string }>();
  /** How often the document was made. */
  made = 0;

  /** @param make the document for `http://host:port` and the base path */
  constructor(make: (url: string) => Json, basePath: string) {
    this.#make = make;
    this.#basePath = basePath;
  }

  for({ scheme, host }: ReachedBy): DocumentText {
    let template = this.#templates.get(scheme);
    if (template === undefined) {
      this.made += 1;
      const text = JSON.stringify(this.#make(`${scheme}://${PLACEHOLDER}${this.#basePath}`));
      const hash = createHash('sha256').update(text).digest('base64url').slice(0, HASH_CHARACTERS);
      template = { parts: text.split(PLACEHOLDER), hash };
      this.#templates.set(scheme, template);
    }
    return { text: template.parts.join(host), etag: `"${template.hash}.${host}"` };
  }
}
