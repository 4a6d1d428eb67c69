import type { HubMessage } from '@axiom-streaming/client';
import { numberOf, textOf } from '../../live/fields.js';
import { Painted } from '../../live/painter.js';
import type { StreamStore } from '../../live/stream-store.js';

const KEPT = 500;

/** One line of the ledger. */
export interface LedgerLine {
  readonly seq: number;
  readonly time: number;
  readonly symbol: string;
  readonly kind: string;
  readonly side: string;
  readonly price: number | undefined;
  readonly quantity: number | undefined;
  readonly date: string | undefined;
  readonly isLive: boolean;
}

/** Signals and executions in the order of the ledger, the newest first. */
export class SignalStore extends Painted implements StreamStore {
  lines: LedgerLine[] = [];
  source: string | undefined;
  /** The first of the unbroken run of seqs that ends with the newest. */
  contiguousFrom: number | undefined;

  take({ topic, seq, time, data }: HubMessage, isLive: boolean): void {
    const newest = this.lines[0]?.seq;
    if (newest !== undefined && seq <= newest) return;
    if (newest === undefined || seq !== newest + 1) this.contiguousFrom = seq;
    this.lines.unshift({
      seq,
      time,
      symbol: textOf(data, 'symbol') ?? topic.slice(topic.indexOf(':') + 1),
      kind: textOf(data, 'kind') ?? 'message',
      side: textOf(data, 'side') ?? '',
      price: numberOf(data, 'price'),
      quantity: numberOf(data, 'quantity'),
      date: textOf(data, 'date'),
      isLive,
    });
    if (this.lines.length > KEPT) this.lines.length = KEPT;
    this.source = textOf(data, 'source');
    this.changed();
  }

  reset(): void {
    this.lines = [];
    this.changed();
  }
}
