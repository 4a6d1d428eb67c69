/** What of JavaScript's values a message may carry: what JSON can say. */

/**
 * Why a value cannot be the data of a message, after the words "data:"; undefined where it can. Written as JSON these
 * would silently become something else: `null`, an object with numbered fields, nothing.
 */
export function flawOf(data: unknown): string | undefined {
  // Without recursion: nobody has looked yet how deep it is.
  const left = [data];
  while (left.length > 0) {
    const value = left.pop();
    if (typeof value === 'number' && !Number.isFinite(value)) {
      return 'has a number beyond the range of a 64-bit float';
    }
    if (typeof value === 'bigint') {
      return 'has a whole number that a 64-bit float may not hold; send it as text';
    }
    if (typeof value !== 'object' || value === null) continue;
    if (value instanceof Date && Number.isNaN(value.getTime())) {
      return 'has a time beyond those that there are dates for';
    }
    if (ArrayBuffer.isView(value) || value instanceof ArrayBuffer) {
      return 'has bytes, which JSON cannot say; send them as text, such as base64';
    }
    for (const member of Object.values(value)) left.push(member);
  }
  return undefined;
}

/**
 * Whether a JSON text has a number beyond the range of a 64-bit float, such as `1e999`, which JSON.parse reads as
 * Infinity.
 *
 * @param json valid JSON
 */
export function hasEndlessNumber(json: string): boolean {
  // Such a number has a hundred digits or three in its exponent. Few texts look like that, and fewer are.
  return /\d{100}|[eE]\+?\d{3}/.test(json) && flawOf(JSON.parse(json)) !== undefined;
}

/** A text without the byte order mark that some editors and shells put before it (RFC 8259, 8.1: it may be ignored). */
export function withoutBom(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text;
}
