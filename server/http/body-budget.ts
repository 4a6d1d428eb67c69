/** Bounds the bodies that a node reads at the same time: each is kept whole until it has been read. */
import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { HubError } from '../errors.js';
import { Tally } from '../tally.js';
import { principalOf } from './authenticating.js';

/** Bodies of the largest size that a node, and a subject, may send at the same time. */
const NODE_BODIES = 16;
const SUBJECT_BODIES = 4;

/** Counts the bytes of bodies by what they may become: a compressed one, and one of unknown length, by the limit. */
export class BodyBudget {
  readonly #maxBytes: number;
  readonly #subjects = new Tally();
  #bytes = 0;

  /** @param maxBytes the largest body */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Refuses a body with `overloaded` while there are too many. It is counted until its request is over. */
  readonly handler: RequestHandler = (request: Request, response: Response, next: NextFunction): void => {
    const subject = principalOf(response).subject ?? '';
    const bytes = this.#bytesOf(request);
    const own = this.#subjects.of(subject);
    if (this.#bytes + bytes > this.#maxBytes * NODE_BODIES || own + bytes > this.#maxBytes * SUBJECT_BODIES) {
      throw new HubError('overloaded', 'too many large bodies are being read', { retryAfterMs: 1_000 });
    }
    this.#bytes += bytes;
    this.#subjects.add(subject, bytes);
    response.on('close', () => {
      this.#bytes -= bytes;
      this.#subjects.remove(subject, bytes);
    });
    next();
  };

  #bytesOf({ headers }: Request): number {
    const length = Number(headers['content-length']);
    if (headers['content-encoding'] !== undefined || !Number.isInteger(length)) return this.#maxBytes;
    return Math.min(length, this.#maxBytes);
  }
}
