/**
 * MessagePack that says what JSON says, in both directions.
 *
 * The codec of `socket.io-msgpack-parser` (notepack.io 2.2.0) changes values in silence: whole numbers beyond 64 bits
 * lose their high bits, an unpaired surrogate swallows the next character, `__proto__` becomes the prototype. The
 * library `@msgpack/msgpack` refuses `__proto__` and ignores `toJSON`. So the hub has its own; what it writes is
 * ordinary MessagePack, which every decoder reads.
 */
import { isUtf8 } from 'node:buffer';
import parser from 'socket.io-msgpack-parser';

/** Bytes of the buffer that is written into; it grows by doubling, and is kept up to the larger size. */
const [INITIAL_BYTES, KEPT_BYTES] = [16 * 1024, 256 * 1024];

const stock = new parser.Encoder();

/** Tags for a length or a count in 1, 2 or 4 bytes. */
const ARRAYS = [undefined, 0xdc, 0xdd] as const;
const MAPS = [undefined, 0xde, 0xdf] as const;
const STRINGS = [0xd9, 0xda, 0xdb] as const;
const BYTES = [0xc4, 0xc5, 0xc6] as const;
/** Characters of a text up to which a loop is faster than a call into Node.js. */
const SHORT = 31;

class Writer {
  #bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
  #at = 0;

  /** @returns bytes of their own */
  write(value: unknown): Buffer {
    this.#at = 0;
    this.value(value);
    const written = Buffer.from(this.#bytes.subarray(0, this.#at));
    if (this.#bytes.length > KEPT_BYTES) this.#bytes = Buffer.allocUnsafeSlow(INITIAL_BYTES);
    return written;
  }

  value(value: unknown): void {
    if (value === null || value === undefined) this.#byte(0xc0);
    else if (typeof value === 'string') this.#string(value);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'boolean') this.#byte(value ? 0xc3 : 0xc2);
    else if (Array.isArray(value)) {
      this.#head(value.length, 0x90, 0x0f, ARRAYS);
      for (const element of value) this.value(element);
    } else if (typeof value === 'object') this.#object(value);
    else throw new TypeError(`a ${typeof value} cannot be written as MessagePack`);
  }

  #object(value: object): void {
    const { toJSON } = value as { toJSON?: unknown };
    if (value instanceof ArrayBuffer) this.#binary(Buffer.from(value));
    else if (ArrayBuffer.isView(value))
      this.#binary(Buffer.from(value.buffer, value.byteOffset, value.byteLength));
    // A timestamp, as the parser's own encoder writes it.
    else if (value instanceof Date) this.#raw(stockBytes(value));
    else if (typeof toJSON === 'function') this.value(toJSON.call(value));
    else {
      const fields = value as Readonly<Record<string, unknown>>;
      const keys = Object.keys(fields).filter((key) => isCarried(fields[key]));
      this.#head(keys.length, 0x80, 0x0f, MAPS);
      for (const key of keys) {
        this.#string(key);
        this.value(fields[key]);
      }
    }
  }

  #number(value: number): void {
    // Whole numbers beyond 2^53 are floats in JSON's readers too, and so is -0.
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
      this.#room(9);
      this.#bytes[this.#at] = 0xcb;
      this.#bytes.writeDoubleBE(value, this.#at + 1);
      this.#at += 9;
    } else if (value >= 0) this.#natural(value);
    else this.#negative(value);
  }

  #natural(value: number): void {
    if (value < 0x80) this.#byte(value);
    else if (value < 0x100) this.#uint(0xcc, value, 1);
    else if (value < 0x10000) this.#uint(0xcd, value, 2);
    else if (value < 0x100000000) this.#uint(0xce, value, 4);
    else this.#long(0xcf, value);
  }

  #negative(value: number): void {
    if (value >= -0x20) this.#byte(value & 0xff);
    else if (value >= -0x80) this.#uint(0xd0, value & 0xff, 1);
    else if (value >= -0x8000) this.#uint(0xd1, value & 0xffff, 2);
    else if (value >= -0x80000000) this.#uint(0xd2, value >>> 0, 4);
    else this.#long(0xd3, value);
  }

  /** A whole number of 64 bits: its sign is in the high half. */
  #long(tag: number, value: number): void {
    this.#room(9);
    this.#bytes[this.#at] = tag;
    this.#bytes.writeInt32BE(Math.floor(value / 0x100000000), this.#at + 1);
    this.#bytes.writeUInt32BE(value >>> 0, this.#at + 5);
    this.#at += 9;
  }

  /** UTF-8; an unpaired surrogate, which it cannot say, becomes U+FFFD. */
  #string(value: string): void {
    if (value.length <= SHORT && this.#ascii(value)) return;
    const length = Buffer.byteLength(value);
    this.#head(length, 0xa0, 0x1f, STRINGS);
    this.#room(length);
    this.#bytes.write(value, this.#at);
    this.#at += length;
  }

  /** Writes a short text of ASCII. @returns false where it is none: nothing is written then */
  #ascii(value: string): boolean {
    this.#room(1 + value.length);
    const bytes = this.#bytes;
    let at = this.#at;
    bytes[at++] = 0xa0 | value.length;
    for (let i = 0; i < value.length; i++) {
      const code = value.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[at++] = code;
    }
    this.#at = at;
    return true;
  }

  #binary(bytes: Buffer): void {
    this.#head(bytes.length, 0, -1, BYTES);
    this.#raw(bytes);
  }

  /** A length or a count, with the shortest of its forms: in the tag, or in 1, 2 or 4 bytes. */
  #head(
    count: number,
    fixed: number,
    mostFixed: number,
    tags: readonly [number | undefined, number, number],
  ): void {
    const [byte, short, long] = tags;
    if (count <= mostFixed) this.#byte(fixed | count);
    else if (byte !== undefined && count < 0x100) this.#uint(byte, count, 1);
    else if (count < 0x10000) this.#uint(short, count, 2);
    else this.#uint(long, count, 4);
  }

  #byte(byte: number): void {
    this.#room(1);
    this.#bytes[this.#at++] = byte;
  }

  #uint(tag: number, value: number, width: 1 | 2 | 4): void {
    this.#room(1 + width);
    const bytes = this.#bytes;
    bytes[this.#at++] = tag;
    // A byte of the buffer takes the lowest eight bits.
    for (let shift = 8 * (width - 1); shift >= 0; shift -= 8) bytes[this.#at++] = value >>> shift;
  }

  #raw(bytes: Uint8Array): void {
    this.#room(bytes.length);
    this.#bytes.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#bytes.length * 2, this.#at + bytes));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }
}

function isCarried(field: unknown): boolean {
  return field !== undefined && typeof field !== 'function';
}

/**
 * Any value that Socket.IO may send, as MessagePack: what JSON.stringify would write, with bytes as bytes and dates as
 * timestamps. @throws TypeError for what neither can say, such as a BigInt
 */
export function encodeMsgpack(value: unknown): Buffer {
  return writer.write(value);
}

const writer = new Writer();

function stockBytes(value: Date): Uint8Array {
  const [bytes] = stock.encode(value) as unknown as [Uint8Array];
  return bytes;
}

class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  value(): unknown {
    const tag = this.#bytes[this.#at++]!;
    if (tag <= 0x7f) return tag;
    if (tag >= 0xe0) return tag - 0x100;
    if (tag <= 0x8f) return this.#map(tag & 0x0f);
    if (tag <= 0x9f) return this.#array(tag & 0x0f);
    if (tag <= 0xbf) return this.#string(tag & 0x1f);
    switch (tag) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xca:
        return this.#bytes.readFloatBE(this.#skip(4));
      case 0xcb:
        return this.#bytes.readDoubleBE(this.#skip(8));
      case 0xcf:
        return numberOf(this.#bytes.readBigUInt64BE(this.#skip(8)));
      case 0xd3:
        return numberOf(this.#bytes.readBigInt64BE(this.#skip(8)));
      case 0xd4:
        // Timestamps are the only other extensions that the guard lets through.
        this.#skip(2);
        return undefined;
      case 0xd6:
        return new Date(this.#bytes.readUInt32BE(this.#skip(5) + 1) * 1_000);
      case 0xd7:
        return this.#time64(this.#skip(9) + 1);
      case 0xc7:
        return this.#time96(this.#skip(14) + 2);
      default:
        return this.#sized(tag);
    }
  }

  /** Values whose tag says how wide their number or their length is. */
  #sized(tag: number): unknown {
    if (tag >= 0xc4 && tag <= 0xc6) return this.#binary(this.#uint(1 << (tag - 0xc4)));
    if (tag >= 0xcc && tag <= 0xce) return this.#uint(1 << (tag - 0xcc));
    if (tag >= 0xd0 && tag <= 0xd2) return this.#int(1 << (tag - 0xd0));
    if (tag >= 0xd9 && tag <= 0xdb) return this.#string(this.#uint(1 << (tag - 0xd9)));
    if (tag === 0xdc || tag === 0xdd) return this.#array(this.#uint(tag === 0xdc ? 2 : 4));
    if (tag === 0xde || tag === 0xdf) return this.#map(this.#uint(tag === 0xde ? 2 : 4));
    throw new Error(`there is no value with the tag ${tag}`);
  }

  /** Milliseconds of type 0, as the stock parser has them; else 30 bits of nanoseconds, then 34 of seconds. */
  #time64(at: number): Date {
    if (this.#bytes[at - 1] === 0) return new Date(Number(this.#bytes.readBigInt64BE(at)));
    const [high, low] = [this.#bytes.readUInt32BE(at), this.#bytes.readUInt32BE(at + 4)];
    return new Date(((high & 0x3) * 0x100000000 + low) * 1_000 + (high >>> 2) / 1e6);
  }

  #time96(at: number): Date {
    return new Date(Number(this.#bytes.readBigInt64BE(at + 4)) * 1_000 + this.#bytes.readUInt32BE(at) / 1e6);
  }

  #array(count: number): unknown[] {
    const array: unknown[] = [];
    for (let i = 0; i < count; i++) array.push(this.value());
    return array;
  }

  #map(count: number): object {
    const map: Record<string, unknown> = {};
    for (let i = 0; i < count; i++) {
      const key = this.value() as string;
      const value = this.value();
      // As JSON.parse does: assigned, it would become the prototype.
      if (key === '__proto__')
        Object.defineProperty(map, key, { value, enumerable: true, configurable: true, writable: true });
      else map[key] = value;
    }
    return map;
  }

  #string(length: number): string {
    const at = this.#skip(length);
    if (length <= SHORT && this.#isAscii(at, length)) return this.#bytes.toString('latin1', at, at + length);
    const bytes = this.#bytes.subarray(at, at + length);
    if (!isUtf8(bytes)) throw new Error('a text is not UTF-8');
    return bytes.toString('utf8');
  }

  #isAscii(at: number, length: number): boolean {
    for (let i = at; i < at + length; i++) if (this.#bytes[i]! >= 0x80) return false;
    return true;
  }

  #binary(length: number): Buffer {
    const at = this.#skip(length);
    return this.#bytes.subarray(at, at + length);
  }

  #uint(width: number): number {
    let value = 0;
    for (let i = 0; i < width; i++) value = value * 256 + this.#bytes[this.#at++]!;
    return value;
  }

  #int(width: number): number {
    return this.#bytes.readIntBE(this.#skip(width), width);
  }

  /** @returns where the bytes begin that are skipped */
  #skip(bytes: number): number {
    const at = this.#at;
    this.#at += bytes;
    return at;
  }
}

/** An integer. It stays a BigInt if a number cannot hold it, so that the reader can refuse it. */
function numberOf(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/**
 * The value of a packet that the guard has let through (`isPlainMsgpack`). Whole numbers that a 64-bit float may not
 * hold are BigInts. @throws Error for a text that is not UTF-8
 */
export function decodeMsgpack(bytes: Buffer): unknown {
  return new Reader(bytes).value();
}
