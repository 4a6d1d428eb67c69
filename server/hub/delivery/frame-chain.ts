import type { Frame } from './encoding.js';

/**
 * The frames that a connection gets at the next flush, as the last link of a chain. Connections that get the same
 * frames walk along the same links, and so share one joined buffer: with a thousand subscribers of one topic, the
 * frames of a flush are joined once, not a thousand times. Connections that read different topics part ways at the
 * first frame that differs.
 */
export class FrameChain {
  readonly frame: Frame | undefined;
  readonly #before: FrameChain | undefined;
  readonly #length: number;
  /** The link last made from here. One is enough: the next connection in a list usually needs the same one. */
  #next: FrameChain | undefined;
  #joined: Buffer | undefined;

  private constructor(before: FrameChain | undefined, frame: Frame | undefined) {
    this.#before = before;
    this.frame = frame;
    this.#length = before === undefined ? 0 : before.#length + 1;
  }

  /** Where a chain begins; without a frame. */
  static start(): FrameChain {
    return new FrameChain(undefined, undefined);
  }

  /** The link that follows with this frame. */
  followedBy(frame: Frame): FrameChain {
    const next = this.#next;
    if (next !== undefined && next.frame === frame) return next;
    const chain = new FrameChain(this, frame);
    this.#next = chain;
    return chain;
  }

  /** All bytes up to here, in order. */
  joined(): Buffer {
    if (this.#joined === undefined) {
      this.#joined =
        this.#length === 1 ? this.frame!.wire : Buffer.concat(this.frames().map(({ wire }) => wire));
    }
    return this.#joined;
  }

  /** The frames up to here, in order. */
  frames(): Frame[] {
    const frames = new Array<Frame>(this.#length);
    for (let chain: FrameChain = this; chain.#before !== undefined; chain = chain.#before)
      frames[chain.#length - 1] = chain.frame!;
    return frames;
  }
}
