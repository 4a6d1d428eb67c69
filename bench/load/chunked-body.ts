/** Reads the body of an HTTP answer with `Transfer-Encoding: chunked`, piece by piece as it comes. */
export class ChunkedBody {
  #left = 0;
  #size = '';

  /** The bytes of the body in these bytes of the connection. */
  read(bytes: Buffer): Buffer {
    const parts: Buffer[] = [];
    let at = 0;
    while (at < bytes.length) {
      if (this.#left > 0) {
        const part = bytes.subarray(at, at + this.#left);
        parts.push(part);
        this.#left -= part.length;
        at += part.length;
        continue;
      }
      // The line with the size, and before it the empty line that ends the chunk before.
      const end = bytes.indexOf(0x0a, at);
      this.#size += bytes.toString('latin1', at, end < 0 ? bytes.length : end).trim();
      if (end < 0) break;
      at = end + 1;
      if (this.#size === '') continue;
      this.#left = Number.parseInt(this.#size, 16);
      this.#size = '';
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  }
}
