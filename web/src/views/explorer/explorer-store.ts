/** The explorer: a separate connection with every option, and its messages as they arrive. */

import type { HubMessage, Status, SubscribeOptions, Transport } from '@axiom-streaming/client';
import { parseCursor } from '@axiom-streaming/protocol/cursor';
import { signal } from '@preact/signals';
import { gapText, type Hub, recoveryText, type Tone } from '../../live/connection.js';
import { count } from '../../live/format.js';
import { Painted } from '../../live/painter.js';
import { Rate } from '../../live/rate.js';

/** Rows that are kept to scroll back to. */
const KEPT = 500;

export type Start = 'live' | 'rewind' | 'since';

/** The current values of the form. */
export const form = {
  topic: signal('market:*'),
  start: signal<Start>('rewind'),
  rewind: signal('5'),
  since: signal(''),
  conflate: signal(false),
  maxRate: signal('2'),
  transport: signal<'auto' | Transport>('auto'),
};

/** A message with its number in this session, or something that happened between two of them. */
export type Row =
  | {
      readonly kind: 'message';
      readonly n: number;
      readonly message: HubMessage;
      readonly cursor: string;
      readonly epoch: string;
    }
  | { readonly kind: 'note'; readonly n: string; readonly tone: Tone; readonly text: string };

export class ExplorerStore extends Painted {
  rows: Row[] = [];
  /** The rows that are shown while the list is paused. */
  paused: readonly Row[] | undefined;
  received = 0;
  missing = 0;
  conflated = 0;
  firstSeq: number | undefined;
  lastSeq: number | undefined;
  /** Every seq of the stream is read, so a missing one is a loss. */
  checksOrder = false;
  readonly rate = new Rate();
  status: Status | undefined;
  error: string | undefined;
  topic: string | undefined;
  #client: Hub | undefined;
  #lenient = true;
  #notes = 0;
  readonly #connect: (transport: 'auto' | Transport) => Hub;

  /** @param connect opens the connection of a session */
  constructor(connect: (transport: 'auto' | Transport) => Hub) {
    super();
    this.#connect = connect;
  }

  get running(): boolean {
    return this.#client !== undefined;
  }

  /** Starts a session with the values of the form. */
  start(): void {
    this.stop();
    const options = readOptions();
    if (typeof options === 'string') {
      this.error = options;
      this.changed();
      return;
    }
    const topics = form.topic.value
      .split(/[\s,]+/)
      .map((topic) => topic.trim())
      .filter((topic) => topic !== '');
    this.#clear();
    this.topic = topics.join(', ');
    this.checksOrder =
      topics.length === 1 && topics[0]?.endsWith(':*') === true && options.conflate === undefined;
    const client = this.#connect(form.transport.value);
    this.#client = client;
    client.on('status', (status) => {
      this.status = status;
      if (status.state === 'reconnecting' && status.attempt === 1) this.#note('warning', 'Connection lost');
      this.changed();
    });
    client.on('recovered', (recovery) => {
      this.#note(recovery.recovered ? 'good' : 'bad', recoveryText(recovery));
    });
    client.on('gap', (gap) => {
      this.#lenient = true;
      if (gap.from !== undefined && gap.to !== undefined) this.missing += gap.to - gap.from + 1;
      this.#note('bad', gapText(gap));
    });
    client.on('degraded', ({ degraded, reason }) => {
      this.#note(degraded ? 'warning' : 'good', degraded ? `Degraded: ${reason}` : 'No longer degraded');
    });
    const subscription = client.subscribe(topics, options, (message, cursor) => this.#take(message, cursor));
    subscription.ready.then(
      ({ topics: verdicts }) => {
        // A snapshot has only the newest message of each key; after it no seq is skipped.
        setTimeout(() => {
          this.#lenient = false;
        }, 1_500);
        const said = verdicts
          .filter(({ recovered }) => recovered !== undefined)
          .map(
            ({ topic, recovered, reason }) => `${topic} ${recovered ? 'resumed' : `not resumed: ${reason}`}`,
          );
        if (said.length > 0)
          this.#note(verdicts.every(({ recovered }) => recovered) ? 'good' : 'bad', said.join('; '));
      },
      (error: Error) => {
        this.stop();
        this.error = error.message;
        this.changed();
      },
    );
    this.changed();
  }

  stop(): void {
    this.#client?.close();
    this.#client = undefined;
    this.status = undefined;
    this.changed();
  }

  pause(): void {
    this.paused = this.paused === undefined ? [...this.rows] : undefined;
    this.changed();
  }

  clear(): void {
    this.#clear();
    this.changed();
  }

  #clear(): void {
    this.rows = [];
    this.paused = undefined;
    this.received = 0;
    this.missing = 0;
    this.conflated = 0;
    this.firstSeq = undefined;
    this.lastSeq = undefined;
    this.error = undefined;
    this.#lenient = true;
  }

  #take(message: HubMessage, cursor: string): void {
    const { seq, topic, conflated } = message;
    this.received += 1;
    this.conflated += conflated ?? 0;
    this.rate.add(Date.now());
    this.firstSeq ??= seq;
    const skipped = this.lastSeq === undefined || this.#lenient ? 0 : Math.max(0, seq - this.lastSeq - 1);
    if (this.checksOrder && skipped > 0) {
      this.missing += skipped;
      this.#note('bad', `${count(skipped)} missing before seq ${count(seq)}`);
    }
    this.lastSeq = Math.max(this.lastSeq ?? 0, seq);
    const epoch = parseCursor(cursor)?.get(topic.slice(0, topic.indexOf(':')))?.epoch ?? '';
    this.#add({ kind: 'message', n: this.received, message, cursor, epoch });
  }

  #note(tone: Tone, text: string): void {
    this.#notes += 1;
    this.#add({ kind: 'note', n: `note ${this.#notes}`, tone, text });
  }

  #add(row: Row): void {
    this.rows.push(row);
    if (this.rows.length > KEPT * 2) this.rows.splice(0, KEPT);
    this.changed();
  }
}

/** @returns what is wrong with the form, as a sentence. */
function readOptions(): SubscribeOptions | string {
  const start =
    form.start.value === 'rewind'
      ? { rewind: Number(form.rewind.value) }
      : form.start.value === 'since'
        ? { since: form.since.value.trim() }
        : {};
  if ('rewind' in start && !(Number.isInteger(start.rewind) && start.rewind >= 1 && start.rewind <= 10_000)) {
    return 'Rewind must be a whole number from 1 to 10,000.';
  }
  if ('since' in start && start.since === '') return 'Enter the cursor to continue from, or start live.';
  if (!form.conflate.value) return start;
  const maxRate = Number(form.maxRate.value);
  if (!(maxRate > 0 && maxRate <= 1000))
    return 'The rate must be above 0 and at most 1,000 messages per second.';
  return { ...start, conflate: 'latest', maxRate };
}
