/** One call of `append.lua`: which appends share it, what is sent, and what comes back. */
import { hash } from 'node:crypto';
import { loadScript, type Script, scriptOf } from '../redis/redis-link.js';
import { digestOf, nameOfId } from './publication-ids.js';
import {
  type AppendEntry,
  type AppendResult,
  IDEMPOTENCY_MS,
  keysOfOneSubject,
  type Retention,
} from './stream-log.js';

const { source: SOURCE } = loadScript(
  import.meta.url,
  'retaining.lua',
  'admitting.lua',
  'remembering.lua',
  'append.lua',
);

/** Limits of one script call, during which Redis serves nobody else. */
const GROUP_MAX_ENTRIES = 512;
const GROUP_MAX_BYTES = 1024 * 1024;

/** An append that waits for its call. */
export interface Waiting {
  readonly entries: readonly AppendEntry[];
  readonly bytes: number;
  resolve(results: AppendResult[]): void;
  reject(error: unknown): void;
}

/** What is the same in every call for a stream. */
export interface AppendTarget {
  readonly name: string;
  readonly retention: Retention;
  readonly keys: readonly string[];
  readonly channel: string;
}

/** `KEYS` and `ARGV` of a call. */
export interface AppendCall {
  readonly keys: string[];
  readonly args: string[];
}

/** The script for a stream: its limits are a part of the text. */
export function appendScript(retention: Retention, isInCluster: boolean): Script {
  const { maxMessages, maxAgeMs, maxBytes, maxKeys, maxBytesPerSubject = 'nil' } = retention;
  const fixed = {
    MAX_MESSAGES: maxMessages,
    MAX_AGE_MS: maxAgeMs,
    MAX_BYTES: maxBytes,
    MAX_BYTES_OF_ONE: maxBytesPerSubject,
    IDEMPOTENCY_MS,
    IN_CLUSTER: isInCluster,
  };
  const limits = Object.entries({
    age: maxAgeMs,
    bytes: maxBytes,
    bytes_of_one: maxBytesPerSubject,
    keys: maxKeys,
    keys_of_one: keysOfOneSubject(retention),
  }).map(([name, value]) => `${name} = ${value}`);
  return scriptOf(
    `local ${Object.keys(fixed).join(', ')} = ${Object.values(fixed).join(', ')}\n` +
      `local function limits() return { ${limits.join(', ')} } end\n${SOURCE}`,
  );
}

/** The call for a group. @param spareEpoch for a log that has none */
export function appendCall(
  { name, retention, keys, channel }: AppendTarget,
  spareEpoch: string,
  group: readonly Waiting[],
): AppendCall {
  const runs = runsOf(group);
  const idKeys: string[] = [];
  const args = [channel, spareEpoch, tracesOf(group), subjectsText(runs)];
  for (const { entries } of group) {
    for (const entry of entries) {
      const { key, data, id, origin } = entry;
      if (origin !== undefined) {
        args.push(key, data, `@${origin.source} ${origin.position}`);
      } else if (id === undefined) {
        args.push(key, data, '');
      } else {
        idKeys.push(`{${name}}:id:${nameOfId(entry, id)}`);
        args.push(key, data, digestOf(entry));
      }
    }
  }
  const isLimited = retention.maxBytesPerSubject !== undefined;
  const usedKeys = isLimited ? runs.map(([, subject]) => `{${name}}:used:${shortName(subject)}`) : [];
  if (idKeys.length > 0) idKeys.unshift(`{${name}}:ids`);
  return { keys: [...keys, ...idKeys, ...usedKeys], args };
}

/** Splits a queue into calls. Entries of one `append` stay together. */
export function* groups(queue: readonly Waiting[]): Generator<Waiting[]> {
  let group: Waiting[] = [];
  let count = 0;
  let bytes = 0;
  for (const waiting of queue) {
    if (
      group.length > 0 &&
      (count + waiting.entries.length > GROUP_MAX_ENTRIES || bytes + waiting.bytes > GROUP_MAX_BYTES)
    ) {
      yield group;
      group = [];
      count = 0;
      bytes = 0;
    }
    group.push(waiting);
    count += waiting.entries.length;
    bytes += waiting.bytes;
  }
  if (group.length > 0) yield group;
}

/** The traces in the form that the script takes. */
function tracesOf(group: readonly Waiting[]): string {
  const traces = group.flatMap(({ entries }) => entries.map(({ trace }) => trace));
  return traces.some(Boolean) ? traces.map((trace) => trace ?? '-').join(' ') : '';
}

/** How many entries in a row each subject has ('' for none); empty if no entry has one. */
function runsOf(group: readonly Waiting[]): [count: number, subject: string][] {
  const runs: [number, string][] = [];
  let run: [number, string] = [0, ''];
  for (const { entries } of group) {
    for (const { subject = '' } of entries) {
      if (run[0] === 0 || run[1] !== subject) {
        run = [0, subject];
        runs.push(run);
      }
      run[0] += 1;
    }
  }
  return runs.length === 1 && run[1] === '' ? [] : runs;
}

function subjectsText(runs: readonly [count: number, subject: string][]): string {
  const [first] = runs;
  if (first === undefined) return '';
  return runs.length === 1 ? `=${first[1]}` : JSON.stringify(runs);
}

/** A subject in the name of a key in Redis: subjects may have any characters. */
function shortName(subject: string): string {
  return hash('sha1', subject, 'base64url').slice(0, 16);
}
