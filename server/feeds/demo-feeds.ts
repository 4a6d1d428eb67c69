/** The feeds of the demo, for the streams that a hub has. */
import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import { loadPriceSeries } from './dataset.js';
import type { Feed } from './feed.js';
import { marketFeed } from './market.js';
import { newsFeed } from './news.js';
import { portfolioFeed } from './portfolio.js';
import type { PriceSeries } from './series.js';
import { signalsFeed } from './signals.js';
import { systemFeed } from './system.js';

/** Default time of a step of the replayed prices. */
const REPLAY_INTERVAL_MS = 1_000;
const NEWS_INTERVAL_MS = 5_000;
const SYSTEM_INTERVAL_MS = 2_000;

export interface DemoFeedsOptions {
  /** The configured streams. A feed whose stream is not among them is left out. */
  readonly streams: ReadonlySet<string>;
  /** The newest reports of all nodes that are alive. */
  readonly reports: () => readonly NodeReport[];
  /**
   * Length of a step of `market`, `portfolio` and `signals`, which replay the same prices in step, ms; default 1,000.
   */
  readonly intervalMs?: number | undefined;
}

/** Builds the demo feeds; reads the price files once, if a feed needs them. */
export function demoFeeds({ streams, reports, intervalMs = REPLAY_INTERVAL_MS }: DemoFeedsOptions): Feed[] {
  let loaded: readonly PriceSeries[] | undefined;
  const series = () => {
    loaded ??= loadPriceSeries();
    return loaded;
  };
  const feeds: Readonly<Record<string, () => Feed>> = {
    market: () => marketFeed(series(), intervalMs),
    portfolio: () => portfolioFeed(series(), intervalMs),
    signals: () => signalsFeed(series(), intervalMs),
    news: () => newsFeed(NEWS_INTERVAL_MS),
    system: () => systemFeed(reports, SYSTEM_INTERVAL_MS),
  };
  return Object.entries(feeds).flatMap(([stream, build]) => (streams.has(stream) ? [build()] : []));
}
