/**
 * The hub under test: any URL. The suite knows nothing of it but what it says at `/api/streams`, and touches nothing of
 * it but topics of its own.
 */

import { randomUUID } from 'node:crypto';
import type { StreamClass } from '@axiom-streaming/protocol/message';
import { fromAddress } from '../support/client.js';
import { call, get } from '../support/http.js';

/** What `/api/streams` says of a stream. */
export interface StreamInfo {
  readonly name: string;
  readonly class: StreamClass;
  readonly live: boolean;
  readonly epoch: string;
  readonly lastSeq: number;
  readonly cursor: string;
}

/** So far ahead of a log that no traffic reaches it while a test runs. */
const AHEAD = 1_000_000_000;

export interface TargetOptions {
  /** Asked when the tests run. */
  readonly url: () => string;
  /** The hub has the default streams and limits: what it lacks is a failure, and nothing is skipped. Default false. */
  readonly complete?: boolean;
}

export class Target {
  readonly #url: () => string;
  readonly #complete: boolean;
  readonly #run = randomUUID().slice(0, 8);
  #topics = 0;
  #streams: readonly StreamInfo[] = [];

  constructor({ url, complete = false }: TargetOptions) {
    this.#url = url;
    this.#complete = complete;
  }

  /** Without a slash at its end. */
  get url(): string {
    return this.#url().replace(/\/+$/, '');
  }

  /** The streams that it had when the run began. */
  get streams(): readonly StreamInfo[] {
    return this.#streams;
  }

  /** Asks for the streams. @throws Error where that is not answered as the protocol says. */
  async discover(): Promise<void> {
    const { status, body } = await get<{ streams?: StreamInfo[] }>(`${this.url}/api/streams`);
    if (status !== 200 || !Array.isArray(body.streams)) {
      throw new Error(`${this.url}/api/streams was answered with ${status}, and without "streams"`);
    }
    this.#streams = body.streams;
  }

  /** A topic that nobody else has, neither in this run nor in another. */
  topic(stream: string): string {
    this.#topics += 1;
    return `${stream}:conformance-${this.#run}-${this.#topics}`;
  }

  /** A stream as the node that serves an address sees it now. */
  async stream(name: string, address: string): Promise<StreamInfo> {
    const headers = fromAddress(address);
    const { body } = await call<{ streams: StreamInfo[] }>(
      'GET',
      `${this.url}/api/streams`,
      undefined,
      headers,
    );
    const stream = body.streams.find((candidate) => candidate.name === name);
    if (stream === undefined) throw new Error(`the target has no stream "${name}" any more`);
    return stream;
  }

  /** Why the tests of a stream cannot be run, or undefined. */
  lacks(name: string, streamClass: StreamClass): string | undefined {
    const stream = this.#streams.find((candidate) => candidate.name === name);
    if (stream === undefined) return `the target has no stream "${name}"`;
    if (stream.class !== streamClass)
      return `the stream "${name}" of the target is ${stream.class}, not ${streamClass}`;
    return undefined;
  }

  /**
   * Skips a test, or from a hook all tests of its suite; the report says why.
   *
   * @throws Error instead, where the target is said to be complete.
   */
  skip(context: Mocha.Context, reason: string): never {
    if (this.#complete) throw new Error(`not checked: ${reason}`);
    const { test } = context;
    const mark = (skipped: Mocha.Test) => {
      skipped.title += ` (not checked: ${reason})`;
    };
    // Hooks and tests have a type at run time that their types do not declare.
    if ((test as { type?: string } | undefined)?.type === 'hook') test?.parent?.eachTest(mark);
    else if (test !== undefined) mark(test as Mocha.Test);
    return context.skip();
  }
}

/** Skips the tests of the `describe` that calls this, with the reason, where the target lacks the stream. */
export function needsStream(target: Target, name: string, streamClass: StreamClass): void {
  before(function () {
    const reason = target.lacks(name, streamClass);
    if (reason !== undefined) target.skip(this, reason);
  });
}

/** The cursor of a stream as it would be in another life of its log. Undefined: cursors of this hub do not tell. */
export function inAnotherEpoch({ cursor, epoch }: StreamInfo): string | undefined {
  const other = (epoch.startsWith('x') ? 'y' : 'x') + epoch.slice(1);
  return cursor.includes(epoch) ? cursor.replace(epoch, other) : undefined;
}

/** The cursor of a stream as it would be after messages that do not exist. Undefined: cursors do not tell. */
export function aheadOfTheLog({ cursor, lastSeq }: StreamInfo): string | undefined {
  const seq = String(lastSeq);
  return cursor.endsWith(seq) ? `${cursor.slice(0, -seq.length)}${lastSeq + AHEAD}` : undefined;
}
