import { ALL_KEYS } from '@axiom-streaming/protocol/topic';
import type { StreamMessage } from '../tail/stream-message.js';
import type { StreamTail } from '../tail/stream-tail.js';
import type { LogPages } from './log-pages.js';
import type { Toll } from './toll.js';

/** A key with few messages is not searched for further back than this many messages of its stream. */
const SCAN_MAX_MESSAGES = 50_000;
/** Messages of the recent window that are looked at before the toll is paid. */
const WINDOW_SLICE = 1_024;

/** Where and for what it is looked. */
export interface RewindRequest {
  /** `*`: the whole stream. */
  readonly keys: ReadonlySet<string>;
  /** Messages of each key. */
  readonly count: number;
  /** The newest seq that counts. */
  readonly barrier: number;
  /** Of all of them together, in JSON; one is always given. Default: no limit. */
  readonly maxBytes?: number;
}

/**
 * The newest `count` messages of each key (`*`: of the stream) up to `barrier`, ascending by seq, each once.
 * Fewer if the log, or the search limit, ends earlier.
 *
 * @throws HubError `log_unavailable`, and as {@link Toll.pay}
 */
export function rewind(
  tail: StreamTail,
  request: RewindRequest,
  pages: LogPages,
  toll: Toll,
): Promise<StreamMessage[]> {
  return new Rewind(tail, request, pages, toll).run();
}

class Rewind {
  readonly #tail: StreamTail;
  readonly #pages: LogPages;
  readonly #toll: Toll;
  /** By key: how many are still wanted. */
  readonly #missing = new Map<string, number>();
  readonly #found: StreamMessage[] = [];
  readonly #end: number;
  readonly #maxBytes: number;
  #bytes = 0;
  #seq: number;

  constructor(tail: StreamTail, request: RewindRequest, pages: LogPages, toll: Toll) {
    const { keys, count, barrier, maxBytes = Number.POSITIVE_INFINITY } = request;
    this.#tail = tail;
    this.#pages = pages;
    this.#toll = toll;
    for (const key of keys) {
      // A key that never had a message is not searched for.
      if (key === ALL_KEYS || tail.mayHave(key)) this.#missing.set(key, count);
    }
    this.#maxBytes = maxBytes;
    this.#seq = barrier;
    this.#end = Math.max(0, barrier - SCAN_MAX_MESSAGES);
  }

  async run(): Promise<StreamMessage[]> {
    while (this.#seq > this.#end && this.#missing.size > 0) {
      const walked = this.#walkWindow();
      if (walked > 0) {
        const wait = this.#toll.pay({ walked, read: 0 });
        if (wait !== undefined) await wait;
      } else if (!(await this.#walkPage())) break;
    }
    return this.#found.reverse();
  }

  /** @returns how many messages the window had */
  #walkWindow(): number {
    let walked = 0;
    while (this.#seq > this.#end && this.#missing.size > 0 && walked < WINDOW_SLICE) {
      const held = this.#tail.window.get(this.#seq);
      if (held === undefined) break;
      if (this.#isWanted(held.key)) this.#take(held);
      walked += 1;
      this.#seq -= 1;
    }
    return walked;
  }

  /** @returns false where the log ends */
  async #walkPage(): Promise<boolean> {
    const keys = new Set(this.#missing.keys());
    const passed = keys.has(ALL_KEYS) ? undefined : this.#pages.passed(this.#tail, this.#seq, keys);
    if (passed !== undefined) {
      this.#seq = passed.from - 1;
      await this.#toll.pay({ walked: 1, read: 0 });
      return true;
    }
    const { page, read } = await this.#pages.read(this.#tail, this.#seq);
    let walked = 0;
    for (let i = page.length - 1; i >= 0 && this.#missing.size > 0; i--) {
      if (page.seqAt(i)! > this.#seq) continue;
      walked += 1;
      if (this.#isWanted(page.keyAt(i)!)) this.#take(page.message(i));
    }
    await this.#toll.pay({ walked, read });
    const first = page.seqAt(0);
    if (first === undefined || first > this.#seq) return false;
    this.#seq = first - 1;
    return true;
  }

  #isWanted(key: string): boolean {
    return this.#missing.has(key) || this.#missing.has(ALL_KEYS);
  }

  #take(message: StreamMessage): void {
    if (this.#maxBytes !== Number.POSITIVE_INFINITY) {
      this.#bytes += Buffer.byteLength(message.text);
      if (this.#bytes > this.#maxBytes && this.#found.length > 0) {
        this.#missing.clear();
        return;
      }
    }
    this.#found.push(message);
    for (const key of [message.key, ALL_KEYS]) {
      const left = this.#missing.get(key);
      if (left === 1) this.#missing.delete(key);
      else if (left !== undefined) this.#missing.set(key, left - 1);
    }
  }
}
