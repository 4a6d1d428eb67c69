/**
 * WebSocket frames as a server sends them (RFC 6455 section 5.2): final, not masked, in one buffer that can be written
 * to any number of connections.
 */

const TEXT = 1;
const BINARY = 2;

/** A text frame. */
export function textFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const { frame, header } = emptyFrame(TEXT, length);
  frame.write(text, header, 'utf8');
  return frame;
}

/** A binary frame with these parts as its payload. */
export function binaryFrame(parts: readonly Buffer[]): Buffer {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const { frame, header } = emptyFrame(BINARY, length);
  let at = header;
  for (const part of parts) at += part.copy(frame, at);
  return frame;
}

/** A frame with its header written, and the length of the header. */
function emptyFrame(opcode: number, length: number): { frame: Buffer; header: number } {
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + length);
  frame[0] = 0x80 | opcode;
  if (header === 2) {
    frame[1] = length;
  } else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(Math.floor(length / 2 ** 32), 2);
    frame.writeUInt32BE(length % 2 ** 32, 6);
  }
  return { frame, header };
}
