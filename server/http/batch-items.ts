/**
 * Cuts the body of a batch into its items without parsing it. What a stranger sends may be anything, and the time that
 * JSON.parse takes grows with what is in a text and not only with its length: a turn of the event loop would last for
 * seconds. So items are counted and measured first, each is parsed by itself, and turns end in between.
 */
import { isUtf8 } from 'node:buffer';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { HubError } from '../errors.js';
import { parseJson } from './body.js';

/** Bytes that are looked at, or parsed, in one turn of the event loop. */
const TURN_BYTES = 256 * 1024;
/** Lines that are looked at in one turn: empty ones are many where there are few bytes. */
const TURN_LINES = 10_000;
const BOM = Buffer.from([0xef, 0xbb, 0xbf]);

export interface BatchLimits {
  readonly maxItems: number;
  /** Of an item with its white space; a longer one is not parsed. */
  readonly maxItemBytes: number;
}

/** An item of a batch: its value, or why it was not read. */
export type BatchItem = {
  /** With its white space. */
  readonly bytes: number;
} & ({ readonly value: unknown; readonly error?: undefined } | { readonly error: HubError });

/** Where an item is in a body, and how errors call it. */
interface Range {
  readonly start: number;
  readonly end: number;
  readonly where: string;
}

/**
 * The items of a batch: a JSON array, or one JSON value per line; lines are counted from 1, empty ones too.
 *
 * @throws HubError `bad_json`, `batch_too_large`
 */
export async function batchItems(body: Buffer, limits: BatchLimits): Promise<BatchItem[]> {
  if (!isUtf8(body)) throw new HubError('bad_json', 'the body is not UTF-8', { field: 'body' });
  const turns = new Turns();
  const start = await afterSpace(body, body.subarray(0, BOM.length).equals(BOM) ? BOM.length : 0, turns);
  if (start === body.length) throw new HubError('bad_json', 'body is empty', { field: 'body' });
  const cut = body[start] === OPEN_BRACKET ? membersOf : linesOf;
  const ranges = await cut(body, start, limits.maxItems, turns);
  const items: BatchItem[] = [];
  for (const { start, end, where } of ranges) {
    const bytes = end - start;
    if (bytes > limits.maxItemBytes) {
      const text = `${bytes} bytes; a message of a batch has at most ${limits.maxItemBytes}, white space included`;
      items.push({ bytes, error: new HubError('too_large', text) });
      continue;
    }
    items.push({ bytes, value: parseJson(body.toString('utf8', start, end), where) });
    if (turns.isOver(bytes)) await turns.next();
  }
  return items;
}

/** Ends the turn of the event loop when enough was done in it. */
class Turns {
  #left = TURN_BYTES;

  /** Counts work. @returns whether {@link next} is due */
  isOver(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left <= 0;
  }

  /** Resolves in another turn. */
  next(): Promise<void> {
    this.#left = TURN_BYTES;
    return nextTurn();
  }
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN_BRACKET, CLOSE_BRACKET, OPEN_BRACE, CLOSE_BRACE] = [0x5b, 0x5d, 0x7b, 0x7d];
const [LINE_FEED, CARRIAGE_RETURN] = [0x0a, 0x0d];

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x09 || byte === LINE_FEED || byte === CARRIAGE_RETURN;
}

/** Where white space ends, before `end`. */
async function afterSpace(body: Buffer, from: number, turns: Turns, end = body.length): Promise<number> {
  let at = from;
  for (let seen = from; at < end && isSpace(body[at]); at++) {
    if (at - seen < TURN_BYTES) continue;
    if (turns.isOver(at - seen)) await turns.next();
    seen = at;
  }
  return at;
}

/** How far an array has been looked through. */
interface Place {
  at: number;
  /** Of arrays and objects inside the member. */
  depth: number;
  inString: boolean;
}

/** Goes on to where a member ends, or to `limit`. @returns whether one ends at `place.at` */
function toMemberEnd(body: Buffer, place: Place, limit: number): boolean {
  let { at, depth, inString } = place;
  let isEnd = false;
  for (; at < limit; at++) {
    const byte = body[at]!;
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (byte === OPEN_BRACKET || byte === OPEN_BRACE) {
      depth += 1;
    } else if (depth > 0) {
      if (byte === CLOSE_BRACKET || byte === CLOSE_BRACE) depth -= 1;
    } else if (byte === COMMA || byte === CLOSE_BRACKET) {
      isEnd = true;
      break;
    }
  }
  Object.assign(place, { at, depth, inString });
  return isEnd;
}

/** The members of an array. Whether they are JSON is seen when they are parsed. */
async function membersOf(body: Buffer, from: number, maxItems: number, turns: Turns): Promise<Range[]> {
  const ranges: Range[] = [];
  let start = from + 1;
  const place: Place = { at: start, depth: 0, inString: false };
  while (place.at < body.length) {
    const before = place.at;
    const isEnd = toMemberEnd(body, place, Math.min(body.length, before + TURN_BYTES));
    if (turns.isOver(place.at - before)) await turns.next();
    if (!isEnd) continue;
    const { at } = place;
    const isLast = body[at] === CLOSE_BRACKET;
    const isEmptyArray = isLast && ranges.length === 0 && (await afterSpace(body, start, turns)) === at;
    if (!isEmptyArray) ranges.push({ start, end: at, where: 'body' });
    if (ranges.length > maxItems) throw tooMany(maxItems);
    start = at + 1;
    place.at = start;
    if (!isLast) continue;
    if ((await afterSpace(body, start, turns)) === body.length) return ranges;
    throw new HubError('bad_json', 'body goes on after its array', { field: 'body' });
  }
  throw new HubError('bad_json', 'body is not JSON: its array does not end', { field: 'body' });
}

/** The lines that are not empty. */
async function linesOf(body: Buffer, from: number, maxItems: number, turns: Turns): Promise<Range[]> {
  const ranges: Range[] = [];
  let line = 1;
  for (let at = body.indexOf(LINE_FEED); at !== -1 && at < from; at = body.indexOf(LINE_FEED, at + 1)) {
    line += 1;
    if (line % TURN_LINES === 0) await turns.next();
  }
  for (let start = from; start < body.length; line++) {
    if (line % TURN_LINES === 0) await turns.next();
    const found = body.indexOf(LINE_FEED, start);
    const end = found === -1 ? body.length : found;
    // An await for each empty line would take longer than the line.
    const isBlank =
      isSpace(body[start]) && end > start
        ? (await afterSpace(body, start, turns, end)) === end
        : end === start;
    if (!isBlank) ranges.push({ start, end, where: `line ${line}` });
    if (ranges.length > maxItems) throw tooMany(maxItems);
    start = end + 1;
  }
  return ranges;
}

function tooMany(maxItems: number): HubError {
  return new HubError('batch_too_large', `body: more than ${maxItems} messages, the most that a batch has`, {
    field: 'body',
  });
}
