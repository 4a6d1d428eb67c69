/** One stream of the log in memory: what it keeps, and when it lets go of it. */
import { TOMBSTONE } from '@axiom-streaming/protocol/message';
import { Tally } from '../tally.js';
import { AgeingMap } from '../time/ageing-map.js';
import { newEpoch } from './epoch.js';
import { digestOf, nameOfId } from './publication-ids.js';
import {
  type AppendEntry,
  type AppendRefusal,
  type AppendResult,
  type Cleared,
  IDEMPOTENCY_MS,
  keysOfOneSubject,
  type LogEntry,
  type LogTop,
  type Retention,
} from './stream-log.js';

/** About what an entry takes beside its key and data, and what an id takes, bytes. */
const ENTRY_BYTES = 200;
const ID_BYTES = 300;
/** How many last values are looked at in one turn. */
const SLICE = 2_000;

interface KnownId {
  readonly subject: string | undefined;
  readonly expires: number;
  readonly digest: string;
  readonly seq: number;
  readonly time: number;
  readonly epoch: string;
}

/** What was appended in one call. */
export interface Appended {
  readonly epoch: string;
  readonly results: AppendResult[];
  readonly batch: LogEntry[];
  readonly traces: (string | undefined)[];
}

export class MemoryStream {
  readonly #retention: Retention;
  #epoch: string | null = null;
  #top = 0;
  /** Seq of the newest tombstone; 0 if there is none. */
  #tombstone = 0;
  /** Ascending and contiguous; trimmed from the front in slices. */
  #entries: LogEntry[] = [];
  #bytes = 0;
  readonly #last = new AgeingMap<LogEntry>();
  #lastBytes = 0;
  /** Last position by source. */
  readonly #origins = new Map<string, string>();
  /** By name; ordered by expiry, which equals the order of insertion. */
  readonly #ids = new Map<string, KnownId>();
  readonly #idsOf = new Tally();
  /** Who created a key, and how many keys each subject has. */
  readonly #owners = new Map<string, string>();
  readonly #keysOf = new Tally();
  readonly #valuesOf = new Tally();
  /** The subjects of the entries, where their bytes are limited, and the bytes of each. */
  #subjects: (string | undefined)[] = [];
  readonly #bytesOf = new Tally();

  constructor(retention: Retention) {
    this.#retention = retention;
  }

  append(entries: readonly AppendEntry[], time: number): Appended {
    this.#epoch ??= newEpoch();
    const epoch = this.#epoch;
    this.#forgetIds(time);
    const batch: LogEntry[] = [];
    const traces: (string | undefined)[] = [];
    const results = entries.map((entry): AppendResult => {
      const name = entry.id === undefined ? undefined : nameOfId(entry, entry.id);
      const known = name === undefined ? undefined : this.#ids.get(name);
      if (known !== undefined) {
        if (known.digest !== digestOf(entry)) return { status: 'conflict' };
        return { status: 'duplicate', seq: known.seq, epoch: known.epoch, time: known.time };
      }
      const status = this.#refusal(entry, time);
      if (status !== undefined) return { status };
      const stored = this.#store(entry, time);
      batch.push(stored);
      traces.push(entry.trace);
      const { seq } = stored;
      if (name !== undefined) {
        const expires = time + IDEMPOTENCY_MS;
        const { subject } = entry;
        this.#ids.set(name, { subject, expires, digest: digestOf(entry), seq, time, epoch });
        if (subject !== undefined) this.#idsOf.add(subject);
      }
      return { status: 'appended', seq, epoch, time };
    });
    this.#trim(time);
    return { epoch, results, batch, traces };
  }

  check(ownSeq: number, now: number): LogTop {
    this.#endValues(now);
    this.#trim(now);
    const first = this.#entries[0]?.seq ?? this.#top + 1;
    const own = ownSeq < first ? null : (this.#entries[ownSeq - first] ?? null);
    const oldest = now - this.#retention.maxAgeMs;
    const [tombstone, ended] = [this.#tombstone, this.#last.endedTo];
    return {
      epoch: this.#epoch,
      top: this.#top,
      first,
      own,
      oldest,
      ended,
      ...(tombstone > 0 && { tombstone }),
    };
  }

  /** @returns `top` where there was something to delete */
  clear(): Cleared & { readonly top?: number } {
    const keys = this.#last.size;
    if (this.#epoch !== null && keys === 0 && this.#entries.length === 0) return { epoch: this.#epoch, keys };
    this.#epoch = newEpoch();
    for (const held of [this.#last, this.#owners, this.#keysOf, this.#valuesOf, this.#bytesOf]) held.clear();
    this.#entries = [];
    this.#subjects = [];
    this.#last.endedTo = 0;
    [this.#tombstone, this.#bytes, this.#lastBytes] = [0, 0, 0];
    return { epoch: this.#epoch, keys, top: this.#top };
  }

  rotate(expected: string | null): string {
    if (this.#epoch === null || this.#epoch === expected) this.#epoch = newEpoch();
    return this.#epoch;
  }

  range(from: number, to: number, limit: number): LogEntry[] {
    const first = this.#entries[0]?.seq ?? 0;
    const start = Math.max(0, from - first);
    return this.#entries.slice(start, Math.max(start, Math.min(to - first + 1, start + limit)));
  }

  lastValues(): LogEntry[] {
    return [...this.#last.values()].sort((a, b) => a.seq - b.seq);
  }

  #refusal(entry: AppendEntry, now: number): AppendRefusal | undefined {
    const { key, origin, subject, id } = entry;
    const { maxKeys, maxBytes, maxBytesPerSubject } = this.#retention;
    if (origin !== undefined) {
      const at = this.#origins.get(origin.source);
      if (at !== undefined && origin.position <= at) return 'passed';
    }
    const before = this.#last.get(key);
    if (entry.data === TOMBSTONE) return before === undefined ? 'unknown_key' : undefined;
    if (before === undefined) {
      if (this.#last.size >= maxKeys) this.#endValues(now);
      if (this.#last.size >= maxKeys) return 'too_many_keys';
      if (subject !== undefined && this.#hasTooManyKeys(subject)) {
        this.#endValues(now);
        if (this.#hasTooManyKeys(subject)) return 'keys_of_subject';
      }
    }
    const growth = bytesOf(entry) - (before === undefined ? 0 : bytesOf(before));
    // A new key is refused a little earlier, so that the values of the others have room to grow.
    const room = before === undefined ? (maxBytes * 15) / 32 : maxBytes / 2;
    if (growth > 0 && this.#lastBytes + growth > room) this.#endValues(now);
    if (growth > 0 && this.#lastBytes + growth > room) return 'values_full';
    const owner = before === undefined ? subject : this.#owners.get(key);
    if (owner !== undefined && growth > 0 && !this.#hasRoomFor(owner, growth)) {
      this.#endValues(now);
      if (!this.#hasRoomFor(owner, growth)) return 'values_of_subject';
    }
    if (subject !== undefined && maxBytesPerSubject !== undefined) {
      const used = this.#bytesOf.of(subject);
      if (used + bytesOf(entry) > maxBytesPerSubject) return 'bytes_of_subject';
    }
    if (id !== undefined) {
      if ((this.#ids.size + 1) * ID_BYTES > maxBytes) return 'ids_full';
      if (subject !== undefined && this.#idsOf.of(subject) * ID_BYTES >= maxBytes / 2) return 'ids_full';
    }
    return undefined;
  }

  #hasTooManyKeys(subject: string): boolean {
    return this.#keysOf.of(subject) >= keysOfOneSubject(this.#retention);
  }

  /** Nine tenths of the last values may be those of keys that one subject created. */
  #hasRoomFor(owner: string, growth: number): boolean {
    return this.#valuesOf.of(owner) + growth <= (this.#retention.maxBytes * 15 * 0.9) / 32;
  }

  #store(entry: AppendEntry, time: number): LogEntry {
    const { key, data, origin, subject } = entry;
    this.#top += 1;
    const stored: LogEntry = { seq: this.#top, time, key, data };
    const size = bytesOf(stored);
    const before = this.#last.get(key);
    if (data === TOMBSTONE) {
      this.#tombstone = this.#top;
      this.#last.delete(key);
      this.#letGo(key, before!);
    } else {
      this.#last.set(key, stored);
      const growth = size - (before === undefined ? 0 : bytesOf(before));
      this.#lastBytes += growth;
      if (before === undefined && subject !== undefined) {
        this.#owners.set(key, subject);
        this.#keysOf.add(subject);
      }
      const owner = this.#owners.get(key);
      if (owner !== undefined) this.#valuesOf.add(owner, growth);
    }
    if (origin !== undefined) this.#origins.set(origin.source, origin.position);
    this.#entries.push(stored);
    this.#bytes += size;
    if (this.#retention.maxBytesPerSubject !== undefined) {
      this.#subjects.push(subject);
      if (subject !== undefined) this.#bytesOf.add(subject, size);
    }
    return stored;
  }

  #endValues(now: number): void {
    this.#last.end(now - this.#retention.maxAgeMs, SLICE, (key, value) => this.#letGo(key, value));
  }

  /** Of a last value that is gone. */
  #letGo(key: string, value: LogEntry): void {
    this.#lastBytes -= bytesOf(value);
    const owner = this.#owners.get(key);
    if (owner === undefined) return;
    this.#owners.delete(key);
    this.#keysOf.remove(owner);
    this.#valuesOf.remove(owner, bytesOf(value));
  }

  #trim(now: number): void {
    const { maxMessages, maxAgeMs, maxBytes } = this.#retention;
    const entries = this.#entries;
    const oldest = now - maxAgeMs;
    // Trimmed in slices, as Redis does it: keeping an exact count would shift the whole array at every append.
    const slack = Math.ceil(maxMessages / 10);
    let drop = entries.length > maxMessages + slack ? entries.length - maxMessages : 0;
    const room = Math.max(maxBytes - this.#lastBytes, maxBytes / 2);
    const most = this.#bytes > room ? (room * 15) / 16 : room;
    let bytes = this.#bytes;
    for (let i = 0; i < drop; i++) bytes -= bytesOf(entries[i]!);
    while (drop < entries.length - 1 && bytes > most) {
      bytes -= bytesOf(entries[drop]!);
      drop += 1;
    }
    while (drop < entries.length && entries[drop]!.time < oldest) {
      bytes -= bytesOf(entries[drop]!);
      drop += 1;
    }
    if (drop === 0) return;
    this.#entries = entries.slice(drop);
    this.#bytes = bytes;
    for (const [i, subject] of this.#subjects.splice(0, drop).entries()) {
      if (subject !== undefined) this.#bytesOf.remove(subject, bytesOf(entries[i]!));
    }
  }

  #forgetIds(now: number): void {
    for (const [name, { subject, expires }] of this.#ids) {
      if (expires > now) return;
      this.#ids.delete(name);
      if (subject !== undefined) this.#idsOf.remove(subject);
    }
  }
}

/** Of the UTF-8 text: at least about what the engine takes for it. */
function bytesOf({ key, data }: { readonly key: string; readonly data: string }): number {
  return key.length + Buffer.byteLength(data) + ENTRY_BYTES;
}
