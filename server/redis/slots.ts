/** The slot of a key in a Redis Cluster, and the key that decides where a command goes. */

export const SLOTS = 16_384;

/** CRC-16/XMODEM, one entry per byte value. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
  return crc;
});

/** The slot of a key: computed from the text inside its first braces if that is not empty, else from the whole key. */
export function slotOf(key: string): number {
  const open = key.indexOf('{');
  const close = open < 0 ? -1 : key.indexOf('}', open + 1);
  const hashed = close > open + 1 ? key.slice(open + 1, close) : key;
  let crc = 0;
  for (const byte of Buffer.from(hashed)) crc = ((crc << 8) & 0xffff) ^ TABLE[(crc >> 8) ^ byte]!;
  return crc % SLOTS;
}

const KEYLESS = new Set([
  'PUBLISH',
  'PUBSUB',
  'PING',
  'INFO',
  'SCRIPT',
  'CONFIG',
  'CLIENT',
  'WAIT',
  'CLUSTER',
]);

/** The first key of a command; undefined if it has none and may go to any node. */
export function keyOf(args: readonly string[]): string | undefined {
  const [command = '', second] = args;
  if (KEYLESS.has(command)) return undefined;
  if (command === 'EVAL' || command === 'EVALSHA') return args[2] === '0' ? undefined : args[3];
  if (command === 'XGROUP') return args[2];
  if (command === 'XREADGROUP' || command === 'XREAD') return args[args.indexOf('STREAMS') + 1];
  return second;
}
