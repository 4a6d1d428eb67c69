import type { HubMessage } from '@axiom-streaming/client';
import { numberOf, textOf } from '../../live/fields.js';
import { Painted } from '../../live/painter.js';
import type { StreamStore } from '../../live/stream-store.js';

const KEPT = 300;

/** One headline. */
export interface NewsItem {
  readonly id: number;
  readonly seq: number;
  readonly time: number;
  readonly category: string;
  readonly headline: string;
  /** −1 to 1. */
  readonly sentiment: number | undefined;
  readonly isLive: boolean;
}

/** The newest headlines, the newest first. */
export class NewsStore extends Painted implements StreamStore {
  items: NewsItem[] = [];
  source: string | undefined;
  #nextId = 1;

  take({ topic, seq, time, data }: HubMessage, isLive: boolean): void {
    const headline = textOf(data, 'headline');
    if (headline === undefined) return;
    const category = textOf(data, 'category') ?? topic.slice(topic.indexOf(':') + 1);
    const item = { seq, time, category, headline, sentiment: numberOf(data, 'sentiment'), isLive };
    this.items.unshift({ id: this.#nextId++, ...item });
    if (this.items.length > KEPT) this.items.length = KEPT;
    this.source = textOf(data, 'source');
    this.changed();
  }
}
