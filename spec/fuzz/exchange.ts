/** Raw exchanges with a server: bytes out, what came back. */
import { connect } from 'node:net';
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { ERRORS } from '../../server/errors.js';

/** Nothing has come for so long: the server waits for more, and is not going to get it. */
const QUIET_MS = 150;
const DEADLINE_MS = 5_000;

/** What came of some bytes. */
export interface Outcome {
  readonly answer: Buffer;
  /** The server took longer than any answer may. */
  readonly hung: boolean;
}

let addresses = 0;

/**
 * Sends bytes on a connection of its own.
 *
 * @param first sent and answered before the bytes are: an upgrade
 */
export function exchange(port: number, bytes: Buffer, first?: Buffer): Promise<Outcome> {
  return new Promise((resolve) => {
    addresses = (addresses + 1) % 60_000;
    const localAddress = `127.1.${1 + Math.floor(addresses / 250)}.${1 + (addresses % 250)}`;
    const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true });
    const chunks: Buffer[] = [];
    let sent = false;
    let ended = false;
    const done = (hung: boolean) => {
      if (ended) return;
      ended = true;
      clearTimeout(quiet);
      clearTimeout(deadline);
      // Without the wait of a closed connection, of which there may be only so many.
      socket.resetAndDestroy();
      resolve({ answer: Buffer.concat(chunks), hung });
    };
    const deadline = setTimeout(() => done(true), DEADLINE_MS);
    let quiet = setTimeout(() => undefined, 0);
    const rest = () => {
      clearTimeout(quiet);
      quiet = setTimeout(() => {
        // Whoever waits for more is told that there is none, and has to come to an end.
        if (socket.writableEnded) done(false);
        else socket.end();
        quiet = setTimeout(() => done(false), QUIET_MS);
      }, QUIET_MS);
    };
    const send = () => {
      sent = true;
      socket.write(bytes);
      rest();
    };
    socket.on('connect', () => {
      if (first === undefined) send();
      else socket.write(first);
    });
    socket.on('data', (chunk) => {
      if (!sent) return send();
      chunks.push(chunk);
      if (first === undefined && isWhole(Buffer.concat(chunks))) done(false);
      else rest();
    });
    socket.on('error', () => done(false));
    socket.on('close', () => done(false));
  });
}

/** Whether an HTTP answer has come with all of its body. */
function isWhole(answer: Buffer): boolean {
  const end = answer.indexOf('\r\n\r\n');
  if (end < 0) return false;
  const head = answer.toString('latin1', 0, end);
  const length = /\r\ncontent-length: (\d+)/i.exec(head)?.[1];
  return length !== undefined && answer.length >= end + 4 + Number(length);
}

/** What Engine.IO and `ws` say to a handshake that is none: a text, or an object with a number. */
const OF_LIBRARIES =
  /^(?:[0-9a-f]+\r\n)?(?:\{"code":\d,"message":"[\w :.()/]+"\}|Transport unknown|Session ID unknown|Bad request|Bad handshake method|Unsupported protocol version|Invalid (?:HTTP method|Upgrade header)|Missing or invalid Sec-WebSocket-(?:Key|Version) header)/;
const FINE = new Set([101, 200, 201, 204, 301, 304]);

/** What is wrong with an HTTP answer; undefined where it is of the documented form. No answer is one: the end. */
export function wrongWithHttp({ answer, hung }: Outcome): string | undefined {
  if (hung) return 'it was not answered';
  if (answer.length === 0) return undefined;
  const text = answer.toString('latin1');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(text)?.[1]);
  if (FINE.has(status)) return undefined;
  if (Number.isNaN(status)) return `no answer of HTTP: ${text.slice(0, 80)}`;
  const body = text.slice(text.indexOf('\r\n\r\n') + 4);
  // What Node.js refuses before there is a request: malformed, too large, too slow.
  if (/^(0\r\n\r\n)?($|HTTP\/1\.1 )/.test(body) && [400, 408, 413, 417, 431, 501, 505].includes(status))
    return undefined;
  if ((status === 400 || status === 405) && OF_LIBRARIES.test(body)) return undefined;
  const code = /"code":"([a-z_]+)"/.exec(body)?.[1] as ErrorCode | undefined;
  if (code === undefined || ERRORS[code]?.status !== status) return `${status} with ${body.slice(0, 200)}`;
  return code === 'internal' ? 'an unexpected error' : undefined;
}

/** What is wrong with what a socket answered: an unexpected error. */
export function wrongWithSocket({ answer, hung }: Outcome): string | undefined {
  if (hung) return 'the connection hung';
  return answer.includes('"code":"internal"') ? 'an unexpected error' : undefined;
}
