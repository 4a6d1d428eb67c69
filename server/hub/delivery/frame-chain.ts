import type { Frame } from './encoding.js';

/**
 * The frames that a connection gets at the next flush, as the last link of a chain. Connections that get the same
 * frames walk along the same links, and so share one joined buffer: with a thousand subscribers of one topic, the
 * frames of a flush are joined once, not a thousand times. Connections that read different topics part ways at the
 * first frame that differs.
 */
export class Link {
  readonly frame: Frame | undefined;
  readonly #before: Link | undefined;
  readonly #length: number;
  /** The link that was made last from here. One is enough: whoever comes next in a list mostly wants the same. */
  #next: Link | undefined;
  #joined: Buffer | undefined;

  private constructor(before: Link | undefined, frame: Frame | undefined) {
    this.#before = before;
    this.frame = frame;
    this.#length = before === undefined ? 0 : before.#length + 1;
  }

  /** Where a chain begins; without a frame. */
  static start(): Link {
    return new Link(undefined, undefined);
  }

  /** The link that follows with this frame. */
  followedBy(frame: Frame): Link {
    const next = this.#next;
    if (next !== undefined && next.frame === frame) return next;
    const link = new Link(this, frame);
    this.#next = link;
    return link;
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
    for (let link: Link = this; link.#before !== undefined; link = link.#before)
      frames[link.#length - 1] = link.frame!;
    return frames;
  }
}
