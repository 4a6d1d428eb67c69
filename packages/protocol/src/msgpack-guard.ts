/**
 * Checks a MessagePack packet before it is decoded.
 *
 * The decoder of `socket.io-msgpack-parser` 3.0.2 trusts the counts in a packet: six bytes that announce an array of
 * four billion elements block the process for most of a second, and nested ones fill its memory, before the client has
 * authenticated. Here every announced count must be covered by existing bytes.
 */

/** What a packet may contain. */
interface Rules {
  readonly maxDepth: number;
  /** Any extension type, not only undefined. */
  readonly extensions: boolean;
}

/** Deeper than data may be, which is then refused by its field. */
const CLIENTS: Rules = { maxDepth: 256, extensions: false };
/** Servers send what applications emit: dates and the like. */
const SERVERS: Rules = { maxDepth: 256, extensions: true };

/**
 * Whether a packet is one MessagePack value of plain data: no extension types but undefined and timestamps, map keys
 * are strings, counts and lengths lie within the bytes that remain, at most 256 deep, and nothing follows it.
 */
export function isPlainMsgpack(bytes: Uint8Array): boolean {
  return valueEnd(bytes, 0, 0, CLIENTS) === bytes.length;
}

/**
 * Whether a payload between nodes is one MessagePack value whose counts and lengths lie within its bytes. The decoder
 * of `notepack.io` trusts them too: one damaged payload on the channel would block every node.
 */
export function isBoundedMsgpack(bytes: Uint8Array): boolean {
  return valueEnd(bytes, 0, 0, SERVERS) === bytes.length;
}

/** The end of the value that begins at `at`; -1 if it must not be decoded. */
function valueEnd(bytes: Uint8Array, at: number, depth: number, rules: Rules): number {
  if (at >= bytes.length) return -1;
  const tag = bytes[at]!;
  if (tag <= 0x7f || tag >= 0xe0) return at + 1;
  if (tag <= 0x8f) return elementsEnd(bytes, at + 1, tag & 0x0f, true, depth, rules);
  if (tag <= 0x9f) return elementsEnd(bytes, at + 1, tag & 0x0f, false, depth, rules);
  if (tag <= 0xbf) return within(bytes, at + 1 + (tag & 0x1f));
  switch (tag) {
    case 0xc0: // nil
    case 0xc2: // false
    case 0xc3: // true
      return at + 1;
    case 0xc4: // bin 8
    case 0xd9: // str 8
      return sized(bytes, at, 1);
    case 0xc5: // bin 16
    case 0xda: // str 16
      return sized(bytes, at, 2);
    case 0xc6: // bin 32
    case 0xdb: // str 32
      return sized(bytes, at, 4);
    case 0xcc: // uint 8
    case 0xd0: // int 8
      return within(bytes, at + 2);
    case 0xcd: // uint 16
    case 0xd1: // int 16
      return within(bytes, at + 3);
    case 0xca: // float 32
    case 0xce: // uint 32
    case 0xd2: // int 32
      return within(bytes, at + 5);
    case 0xcb: // float 64
    case 0xcf: // uint 64
    case 0xd3: // int 64
      return within(bytes, at + 9);
    case 0xdc: // array 16
    case 0xdd: // array 32
    case 0xde: // map 16
    case 0xdf: {
      // map 32
      const width = tag === 0xdc || tag === 0xde ? 2 : 4;
      if (at + 1 + width > bytes.length) return -1;
      return elementsEnd(bytes, at + 1 + width, uintAt(bytes, at + 1, width), tag >= 0xde, depth, rules);
    }
    case 0xd4: // fixext 1, and only the one that the parser's own encoder writes for undefined
      if (rules.extensions) return within(bytes, at + 3);
      return bytes[at + 1] === 0 && bytes[at + 2] === 0 ? at + 3 : -1;
    default: // other extensions, and the unused type
      return rules.extensions || isTimestamp(bytes, at) ? extensionEnd(bytes, at, tag) : -1;
  }
}

/** The extension type -1, with the lengths that it may have; type 0 with eight bytes in the parser's own encoder. */
function isTimestamp(bytes: Uint8Array, at: number): boolean {
  if (bytes[at] === 0xc7) return bytes[at + 1] === 12 && bytes[at + 2] === 0xff;
  if (bytes[at] === 0xd7 && bytes[at + 1] === 0) return true;
  return (bytes[at] === 0xd6 || bytes[at] === 0xd7) && bytes[at + 1] === 0xff;
}

/** ext 8 to 32 have a length and a type, fixext 2 to 16 a type alone. */
function extensionEnd(bytes: Uint8Array, at: number, tag: number): number {
  if (tag >= 0xc7 && tag <= 0xc9) {
    const end = sized(bytes, at, 1 << (tag - 0xc7));
    return end < 0 ? -1 : within(bytes, end + 1);
  }
  return tag >= 0xd5 && tag <= 0xd8 ? within(bytes, at + 2 + (1 << (tag - 0xd4))) : -1;
}

function elementsEnd(
  bytes: Uint8Array,
  at: number,
  count: number,
  isMap: boolean,
  depth: number,
  rules: Rules,
): number {
  // Each element has at least one byte.
  if (depth >= rules.maxDepth || count * (isMap ? 2 : 1) > bytes.length - at) return -1;
  let end = at;
  for (let i = 0; i < count; i++) {
    if (isMap) {
      if (!isString(bytes[end])) return -1;
      end = valueEnd(bytes, end, depth + 1, rules);
      if (end < 0) return -1;
    }
    end = valueEnd(bytes, end, depth + 1, rules);
    if (end < 0) return -1;
  }
  return end;
}

function isString(tag: number | undefined): boolean {
  return tag !== undefined && ((tag >= 0xa0 && tag <= 0xbf) || (tag >= 0xd9 && tag <= 0xdb));
}

function sized(bytes: Uint8Array, at: number, width: number): number {
  if (at + 1 + width > bytes.length) return -1;
  return within(bytes, at + 1 + width + uintAt(bytes, at + 1, width));
}

function within(bytes: Uint8Array, end: number): number {
  return end <= bytes.length ? end : -1;
}

/** An unsigned big-endian number of `width` bytes, 1 to 4. */
function uintAt(bytes: Uint8Array, at: number, width: number): number {
  let value = 0;
  for (let i = at; i < at + width; i++) value = value * 256 + bytes[i]!;
  return value;
}
