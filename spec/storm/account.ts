/**
 * The account of one subscriber: what it was told, held against what was published.
 *
 * Per topic it is a list of segments. A segment begins where the hub says that something begins (a subscription, a
 * verdict `recovered: false`, a `gap` with `epoch_changed`) and grows with every cursor. Within a segment every
 * acknowledged message up to the last cursor must have been delivered, once and in order, except in ranges that a
 * `gap` named and where a later message said `conflated`. Between two segments a loss is announced by definition.
 *
 * A cursor is opaque to clients. This account reads it, since it must know what the hub claims to have written.
 */
import { type Positions, parseCursor } from '@axiom-streaming/protocol/cursor';
import type {
  DegradedInfo,
  GapInfo,
  Message,
  StreamClass,
  TopicVerdict,
} from '@axiom-streaming/protocol/message';
import type { ClientListener } from '../support/client.js';
import type { AccountCounts } from './counts.js';
import type { Publications, StormData } from './publications.js';
import { type Segment, TopicAccount } from './topic-account.js';

/** Findings of one subscriber that are kept in full; the rest is counted. */
const MAX_FINDINGS = 10;

export class Account implements ClientListener {
  readonly name: string;
  readonly findings: string[] = [];
  /** All findings, those that were not kept too. */
  found = 0;
  /** Connections so far, and what ended them: for whoever looks into a finding. */
  readonly history: string[] = [];
  readonly #topics: readonly TopicAccount[];
  /** False once messages of different keys may come in another order: conflated, or of a slow connection. */
  #inStep: boolean;
  readonly #publications: Publications;
  readonly #counts: AccountCounts;
  readonly #classOf: (stream: string) => StreamClass;
  readonly #now: () => number;
  /** Seq of the last message by stream: one order over all topics of it. */
  readonly #streamLast = new Map<string, number>();
  #connections = 0;

  /**
   * @param options.inStep neither conflated nor slow: one order over all keys of a stream
   * @param options.now seconds since the storm began
   */
  constructor(options: {
    name: string;
    topics: readonly string[];
    inStep: boolean;
    publications: Publications;
    counts: AccountCounts;
    classOf: (stream: string) => StreamClass;
    now: () => number;
  }) {
    this.name = options.name;
    this.#topics = options.topics.map((topic) => new TopicAccount(topic));
    this.#inStep = options.inStep;
    this.#publications = options.publications;
    this.#counts = options.counts;
    this.#classOf = options.classOf;
    this.#now = options.now;
  }

  connected(node: string, recovered: boolean): void {
    this.#connections += 1;
    this.#counts.connections += 1;
    this.note(`connected to ${node}${recovered ? ', recovered' : ''}`);
  }

  note(what: string): void {
    this.history.push(`${this.#now().toFixed(3)} ${what}`);
    if (this.history.length > 60) this.history.shift();
  }

  /** A Socket.IO client came back and did not get its session. @param reason undefined: it was not told why. */
  refused(reason: string | undefined): void {
    if (reason !== undefined) {
      this.#counts.notRecovered.set(reason, (this.#counts.notRecovered.get(reason) ?? 0) + 1);
      this.note(`session refused: ${reason}`);
    } else if (this.#topics.some(({ open }) => open !== undefined)) {
      this.#find('a connection that came back was not told that it lost its session');
    }
  }

  /** Something that is wrong whatever was published. */
  fail(what: string): void {
    this.#find(what);
  }

  /**
   * A subscription was acknowledged, or a session taken up.
   *
   * @param since whether the client gave a cursor, so that each topic must have a verdict
   */
  subscribed(verdicts: readonly TopicVerdict[], cursor: string, since = false): void {
    const positions = this.#positions(cursor);
    if (since && verdicts.some(({ recovered }) => recovered === undefined))
      this.#find(`a subscription from a cursor has no verdict: ${JSON.stringify(verdicts)}`);
    for (const verdict of verdicts) {
      const account = this.#topics.find(({ topic }) => topic === verdict.topic);
      if (account === undefined) {
        this.#find(`a verdict came for ${verdict.topic}, which was not asked for`);
        continue;
      }
      const position = positions.get(account.stream);
      if (position === undefined) {
        this.#find(`the cursor ${cursor} lacks ${account.stream}`);
        continue;
      }
      const { open } = account;
      if (verdict.recovered === true && open !== undefined) {
        this.#counts.recoveries += 1;
        if (open.epoch !== position.epoch) {
          this.#find(
            `${account.topic} was recovered in ${position.epoch}, but was in ${open.epoch} at ${open.to}`,
          );
        }
        continue;
      }
      if (verdict.recovered === false) {
        const reason = verdict.reason ?? 'without a reason';
        this.#counts.notRecovered.set(reason, (this.#counts.notRecovered.get(reason) ?? 0) + 1);
      }
      const isSnapshot = this.#classOf(account.stream) === 'state' && verdict.recovered !== true;
      const isConflated = verdict.reason === 'conflated';
      const isMixed = verdicts.some(
        ({ topic, recovered }) => recovered === true && topic.startsWith(`${account.stream}:`),
      );
      this.#begin(account, {
        epoch: position.epoch,
        from: isSnapshot && !isConflated ? 0 : position.seq,
        skips: isSnapshot || isConflated || (isMixed && verdict.recovered !== true),
        why: verdict.recovered === undefined ? 'subscribed' : `not recovered: ${verdict.reason}`,
      });
    }
    this.note(
      `subscribed at ${cursor}: ${verdicts
        .map(
          ({ topic, recovered, reason }) => `${topic} ${reason ?? (recovered === true ? 'recovered' : '-')}`,
        )
        .join(', ')}`,
    );
  }

  message(message: Message & { readonly conflated?: number }, cursor: string): void {
    const { topic, seq, conflated } = message;
    const account = this.#topics.find((candidate) => candidate.reads(topic));
    const segment = account?.open;
    if (account === undefined || segment === undefined) {
      this.#find(`${topic} ${seq} came without a subscription`);
      return;
    }
    this.#counts.deliveries += 1;
    const positions = this.#advance(cursor);
    const position = positions.get(account.stream);
    if (position === undefined || position.epoch !== segment.epoch) {
      this.#find(`${topic} ${seq} came with ${cursor}, and the segment is of ${segment.epoch}`);
      return;
    }
    if (this.#inStep && position.seq !== seq) this.#find(`${topic} ${seq} came with the cursor ${cursor}`);
    this.#publications.delivered(account.stream, segment.epoch, seq, (message.data as StormData).id);
    const key = topic.slice(account.stream.length + 1);
    const ofKey = segment.keys.get(key);
    const streamLast = this.#streamLast.get(account.stream) ?? 0;
    if (!segment.skips && seq <= segment.from)
      this.#find(`${topic} ${seq} came, and the segment begins after ${segment.from}`);
    if (ofKey !== undefined && seq <= ofKey.last) {
      this.#find(
        `${topic} ${seq} came ${segment.delivered.has(seq) ? 'twice' : `after ${ofKey.last}`}`,
        segment,
      );
      return;
    }
    if (this.#inStep && seq <= streamLast)
      this.#find(`${topic} ${seq} came after ${streamLast} of the stream`, segment);
    this.#streamLast.set(account.stream, seq);
    segment.delivered.add(seq);
    if (ofKey === undefined) segment.keys.set(key, { first: seq, last: seq });
    else ofKey.last = seq;
    if (conflated !== undefined && conflated > 0) {
      segment.conflated.push({ seq, key, folded: conflated });
      this.#counts.conflated += conflated;
    }
  }

  position(cursor: string): void {
    this.#advance(cursor);
  }

  degraded({ degraded, reason }: DegradedInfo): void {
    if (reason !== 'slow') return;
    this.#inStep = false;
    if (degraded) this.#counts.slow += 1;
    this.note(degraded ? 'slow' : 'no longer slow');
  }

  gap({ stream, topics, reason, from, to, epoch }: GapInfo): void {
    this.#counts.gaps += 1;
    this.note(`gap ${stream} ${reason} ${from ?? ''}–${to ?? ''} ${epoch}`);
    for (const account of this.#topics.filter(({ topic }) => topics.includes(topic))) {
      const { open } = account;
      if (open === undefined) continue;
      if (from !== undefined && to !== undefined && open.epoch === epoch) {
        open.gaps.push([from, to]);
        this.#counts.messagesInGaps += to - from + 1;
      } else {
        this.#begin(account, { epoch, from: 0, skips: true, why: `gap: ${reason}` });
      }
    }
  }

  /** Whether every topic has been brought up to these places, by stream. */
  hasReached(ends: ReadonlyMap<string, { readonly epoch: string; readonly seq: number }>): boolean {
    return this.#topics.every(({ stream, open }) => {
      const end = ends.get(stream);
      return end === undefined || (open !== undefined && open.epoch === end.epoch && open.to >= end.seq);
    });
  }

  /** Up to where all topics of a stream have been brought in an epoch; undefined where none of it is read. */
  reached(stream: string, epoch: string): number | undefined {
    const ends = this.#topics
      .filter((topic) => topic.stream === stream)
      .map(({ open }) => (open?.epoch === epoch ? open.to : 0));
    return ends.length === 0 ? undefined : Math.min(...ends);
  }

  /** The topics that have not, for a message. */
  behind(ends: ReadonlyMap<string, { readonly epoch: string; readonly seq: number }>): string {
    return this.#topics
      .filter(({ stream, open }) => {
        const end = ends.get(stream);
        return end !== undefined && !(open?.epoch === end.epoch && open.to >= end.seq);
      })
      .map(({ topic, open }) => `${topic} at ${open?.epoch}.${open?.to}`)
      .join(', ');
  }

  /** Holds everything that was delivered against what was published. To be called once, in the end. */
  check(): void {
    for (const account of this.#topics) {
      for (const segment of account.segments) this.#checkSegment(account, segment);
    }
  }

  #checkSegment({ key, stream, topic }: TopicAccount, segment: Segment): void {
    const { delivered } = segment;
    const published = this.#publications
      .inEpoch(stream, segment.epoch)
      .filter(
        (place) => (key === '*' || place.key === key) && place.seq > segment.from && place.seq <= segment.to,
      );
    const conflated = [...segment.conflated].sort((a, b) => a.seq - b.seq);
    const isConflated = new Set(conflated.map(({ seq }) => seq));
    const folded = new Map<string, number>();
    // Backwards, so that what others were folded into is met before them.
    for (const place of published.reverse()) {
      while ((conflated.at(-1)?.seq ?? 0) >= place.seq) {
        const newer = conflated.pop()!;
        folded.set(newer.key, newer.folded);
      }
      if (delivered.has(place.seq)) {
        if (!isConflated.has(place.seq)) folded.delete(place.key);
        continue;
      }
      const left = folded.get(place.key) ?? 0;
      if (left > 0) {
        folded.set(place.key, left - 1);
        continue;
      }
      const first = segment.keys.get(place.key)?.first;
      if (segment.skips && first !== undefined && place.seq < first) continue;
      // A log that begins anew tells nothing of its old messages but in the snapshot of a `state` stream.
      if (segment.skips && first === undefined && this.#classOf(stream) !== 'state') continue;
      // It was cut before the snapshot had come to the newest message of the key.
      if (segment.skips && first === undefined && this.#isNewerAfter(stream, segment, place.key)) continue;
      if (segment.gaps.some(([from, to]) => from <= place.seq && place.seq <= to)) continue;
      this.#find(`${topic}: message ${place.id}, ${stream}:${place.key} ${place.seq}, is missing`, segment);
    }
  }

  #isNewerAfter(stream: string, { epoch, to }: Segment, key: string): boolean {
    return this.#publications.inEpoch(stream, epoch).some((place) => place.key === key && place.seq > to);
  }

  #begin(account: TopicAccount, start: { epoch: string; from: number; skips: boolean; why: string }): void {
    account.segments.push({
      ...start,
      to: start.from,
      startedAt: this.#now(),
      delivered: new Set(),
      keys: new Map(),
      gaps: [],
      conflated: [],
    });
    this.#streamLast.delete(account.stream);
  }

  #positions(cursor: string): Positions {
    const positions = parseCursor(cursor);
    if (positions === undefined) this.#find(`the cursor ${cursor} is none`);
    return positions ?? new Map();
  }

  #advance(cursor: string): Positions {
    const positions = this.#positions(cursor);
    for (const { stream, open } of this.#topics) {
      const position = positions.get(stream);
      if (open === undefined || position === undefined) continue;
      if (position.epoch === open.epoch) open.to = Math.max(open.to, position.seq);
    }
    return positions;
  }

  #find(what: string, segment?: Segment): void {
    this.found += 1;
    if (this.findings.length >= MAX_FINDINGS) return;
    const where =
      segment === undefined
        ? ''
        : ` (segment ${segment.epoch} ${segment.skips ? 'newest from ' : ''}${segment.from}–${segment.to} since ${segment.startedAt.toFixed(3)}: ${segment.why})`;
    this.findings.push(
      `${this.#now().toFixed(3)} ${this.name}, connection ${this.#connections}: ${what}${where}`,
    );
  }
}
