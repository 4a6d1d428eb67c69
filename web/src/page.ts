/**
 * The page's composition root: one connection, and a store for each stream. `main.tsx` builds it; components get it
 * from `usePage`.
 */

import type { HubMessage, Transport } from '@axiom-streaming/client';
import type { StreamClass, WelcomeInfo } from '@axiom-streaming/protocol/message';
import { ConnectionStore, type Hub } from './live/connection.js';
import { Painted } from './live/painter.js';
import { Rate } from './live/rate.js';
import { StreamRecord } from './live/stream-record.js';
import type { StreamStore } from './live/stream-store.js';
import { ExplorerStore } from './views/explorer/explorer-store.js';
import { ChartFeeds } from './views/markets/chart-feed.js';
import { MarketStore } from './views/markets/market-store.js';
import { NewsStore } from './views/news/news-store.js';
import { PortfolioStore } from './views/portfolio/portfolio-store.js';
import { SignalStore } from './views/signals/signal-store.js';
import { SystemStore } from './views/system/system-store.js';

/** Whether a stream can be shown. `absent`: the hub has none of this name, or this page may not read it. */
export type Presence = 'waiting' | 'reading' | 'absent' | 'refused';

/** How many past messages are read for charts and lists when the page is opened. */
const LOOK_BACK: Readonly<Record<string, number>> = {
  market: 1000,
  news: 200,
  portfolio: 400,
  signals: 200,
  system: 600,
};

/** After this time without a message the page says that it is stale. */
export const STALE_MS = 15_000;

export class Page extends Painted {
  readonly hub: Hub;
  readonly connection: ConnectionStore;
  readonly market = new MarketStore();
  readonly news = new NewsStore();
  readonly portfolio = new PortfolioStore();
  readonly signals = new SignalStore();
  readonly system = new SystemStore();
  readonly chart: ChartFeeds;
  readonly explorer: ExplorerStore;
  readonly records = new Map<string, StreamRecord>();
  readonly presence = new Map<string, Presence>();
  readonly refusals = new Map<string, string>();
  readonly rate = new Rate();
  readonly latency = this.system.latency;
  lastAt = 0;
  conflated = 0;
  readonly #stores: Readonly<Record<string, StreamStore>> = {
    market: this.market,
    news: this.news,
    portfolio: this.portfolio,
    signals: this.signals,
    system: this.system,
  };

  /** @param connect opens a connection over the chosen transport, or over the given one */
  constructor(connect: (transport?: 'auto' | Transport) => Hub) {
    super();
    const hub = connect();
    this.hub = hub;
    this.connection = new ConnectionStore(hub);
    this.chart = new ChartFeeds(hub);
    this.explorer = new ExplorerStore(connect);
    hub.on('welcome', (info) => this.#welcomed(info));
    hub.on('gap', ({ stream, reason, from, to }) => {
      const record = this.records.get(stream);
      if (from !== undefined && to !== undefined && record) record.missing += to - from + 1;
      record?.begin(Date.now());
      if (reason === 'epoch_changed' || reason === 'ahead') this.#stores[stream]?.reset?.();
    });
    // Ages grow and rates fall even while no messages arrive.
    setInterval(() => {
      this.changed();
      this.system.changed();
    }, 1000);
  }

  #welcomed({ streams }: WelcomeInfo): void {
    for (const name of Object.keys(this.#stores)) {
      const stream = streams.find((one) => one.name === name);
      if (this.presence.get(name) === 'reading') continue;
      this.presence.set(name, stream === undefined ? 'absent' : 'reading');
      if (stream !== undefined) void this.#read(name, stream.class);
    }
    this.changed();
  }

  /** Reads past messages, then continues live from there. */
  async #read(name: string, streamClass: StreamClass): Promise<void> {
    const store = this.#stores[name];
    if (store === undefined) return;
    const record = new StreamRecord(name, streamClass);
    this.records.set(name, record);
    let since: string | undefined;
    try {
      const past = await this.hub.history(`${name}:*`, { limit: LOOK_BACK[name] ?? 100 });
      for (const message of past.messages) store.take(message, false);
      since = past.cursor;
    } catch (error) {
      // Without history the charts start empty. The subscription will report the cause as well.
      this.connection.add('warning', `The past of ${name} could not be read: ${(error as Error).message}`);
    }
    // The snapshot of a state stream has the newest value of every key, even of keys that were silent for long.
    const options = streamClass === 'state' || since === undefined ? {} : { since };
    record.begin(Date.now());
    const reading = this.hub.subscribe(`${name}:*`, options, (message: HubMessage) => {
      this.#arrived(record, message);
      store.take(message, true);
    });
    reading.ready.catch((error: Error) => {
      this.presence.set(name, 'refused');
      this.refusals.set(name, error.message);
      this.changed();
    });
  }

  #arrived(record: StreamRecord, { seq, time, conflated }: HubMessage): void {
    const now = Date.now();
    this.rate.add(now);
    this.lastAt = now;
    // Messages of a recovery are late for another reason.
    if (record.isSettled(now) && this.connection.status.state === 'connected')
      this.latency.add(now - time, now);
    this.conflated += conflated ?? 0;
    const skipped = record.take(seq, conflated, now);
    if (skipped > 0) {
      const range = { from: seq - skipped, to: seq - 1 };
      this.connection.gap({
        stream: record.name,
        topics: [`${record.name}:*`],
        recovered: false,
        reason: 'unannounced',
        ...range,
      });
    }
    this.changed();
  }
}
