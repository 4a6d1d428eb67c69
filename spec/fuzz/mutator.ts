/** Bytes that are almost right, the same ones at every run. */

/** A generator of numbers from 0 to below 1 (mulberry32): small, quick, and the same for a seed everywhere. */
export function random(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const INTERESTING = [
  '\0',
  '\r\n',
  '\r\n\r\n',
  '"',
  '\\',
  '{',
  '}',
  '[',
  ']',
  ':',
  '*',
  '%',
  '%00',
  '../',
  '~',
  '-1',
  '0',
  '1e999',
  '9007199254740993',
  'null',
  '__proto__',
  'constructor',
  '\ud83d',
  'é',
  '{sub}',
  '"__proto__":{}',
  ',',
  '\u2028',
].map((text) => Buffer.from(text));

/** Changes bytes in one to six places: flips, removes, doubles, inserts, replaces, cuts off. */
export function mutate(input: Buffer, next: () => number): Buffer {
  let bytes = input;
  const below = (n: number) => Math.floor(next() * n);
  for (let changes = 1 + below(6); changes > 0; changes--) {
    const at = below(bytes.length + 1);
    const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
    const length = 1 + below(Math.min(16, after.length + 1));
    switch (below(7)) {
      case 0:
        bytes = Buffer.from(bytes);
        if (at < bytes.length) bytes[at]! ^= 1 << below(8);
        break;
      case 1:
        bytes = Buffer.concat([before, after.subarray(length)]);
        break;
      case 2:
        bytes = Buffer.concat([before, after.subarray(0, length), after]);
        break;
      case 3:
        bytes = Buffer.concat([before, INTERESTING[below(INTERESTING.length)]!, after]);
        break;
      case 4:
        bytes = Buffer.concat([before, Buffer.from([below(256)]), after.subarray(1)]);
        break;
      case 5:
        bytes = Buffer.concat([before, Buffer.alloc(below(2_000), below(256)), after]);
        break;
      default:
        bytes = before;
    }
  }
  return bytes;
}
