/**
 * The data of the demo feeds, as `connect<DemoStreams>(…)` sees it. The hub's `feeds/` compute it.
 */
import type { NodeReport } from './node-report.js';

/**
 * The source of a message's figures, as in its `data.source`: real prices of the past, figures computed from these,
 * invented examples, or measurements of the running nodes. No feed is live market data.
 */
export type DataSource = 'replay' | 'derived' | 'sample' | 'measured';

/** The data of every message of a feed. */
export interface FeedData {
  readonly source: DataSource;
}

/** The interval between the rows of a series. */
export type Frequency = 'daily' | 'monthly';

/** A dataset's row for one day or month. Prices are in the dataset's own unit: US dollars, or index points. */
export interface PriceRow {
  /** `YYYY-MM-DD`; a monthly row has the first of its month. */
  readonly date: string;
  readonly close: number;
  /** Only the daily dataset has these. */
  readonly open?: number;
  readonly high?: number;
  readonly low?: number;
  readonly volume?: number;
}

export type NewsCategory = 'markets' | 'macro' | 'companies';

/** One headline; the sentiment, from −1 (bad) to 1 (good), was given by hand. */
export interface Headline {
  readonly category: NewsCategory;
  readonly headline: string;
  readonly sentiment: number;
}

/** The data of a message of `market`. */
export interface MarketData extends FeedData, PriceRow {
  readonly source: 'replay';
  readonly dataset: string;
  readonly symbol: string;
  readonly frequency: Frequency;
  /** Row of the dataset, from 0, and the number of rows. Row 0 begins a new pass of the replay. */
  readonly row: number;
  readonly rows: number;
  /** The row's close. */
  readonly price: number;
  /** Change since the previous row; null in the first row, whose predecessor would be the end of the last pass. */
  readonly change: number | null;
  /** 1 is one per cent. */
  readonly changePercent: number | null;
  /** Annualised, as a fraction, over 20 daily or 12 monthly log returns; null until the pass has that many. */
  readonly volatility: number | null;
}

/** The data of a message of `news`. */
export interface NewsData extends FeedData, Headline {
  readonly source: 'sample';
}

/** A number of shares of a symbol, held through the whole pass. */
export interface Holding {
  readonly symbol: string;
  readonly quantity: number;
}

/** One holding at the prices of a step, in US dollars. */
export interface PositionData extends Holding {
  readonly price: number;
  readonly value: number;
  /** At the first price of the pass. */
  readonly cost: number;
  readonly pnl: number;
}

/** The data of a message of `portfolio`. Money is in US dollars. */
export interface PortfolioData extends FeedData {
  readonly source: 'derived';
  readonly dataset: string;
  readonly frequency: Frequency;
  readonly date: string;
  readonly value: number;
  /** What the book cost at the first prices of the pass. */
  readonly cost: number;
  readonly pnl: number;
  /** Of the cost; 1 is one per cent. */
  readonly pnlPercent: number;
  /** Volatility of the book's value: annualised, a fraction, over the frequency's window; null until that is full. */
  readonly volatility: number | null;
  /** Below the highest value of the pass so far, as a fraction. */
  readonly drawdown: number;
  /**
   * 95 % one-step value at risk by historical simulation: each of the last `VAR_WINDOW` steps of the pass is
   * repeated on the present positions (present value of each × its return in that step), and this is the loss that at
   * most 5 % of these outcomes exceed. Null before `VAR_MIN_STEPS` steps.
   */
  readonly var95: number | null;
  /** Steps that `var95` was computed from. */
  readonly varSteps: number;
  readonly positions: readonly PositionData[];
}

export type Side = 'buy' | 'sell';

/** A crossing: `buy` if the fast average rises above the slow one, `sell` if it falls below. */
export interface SignalData extends FeedData {
  readonly source: 'derived';
  readonly kind: 'signal';
  readonly symbol: string;
  readonly frequency: Frequency;
  readonly side: Side;
  /** The averages in this row, and how many rows they cover. */
  readonly fast: number;
  readonly slow: number;
  readonly fastWindow: number;
  readonly slowWindow: number;
  readonly price: number;
  readonly date: string;
}

/** The paper execution of a signal. */
export interface ExecutionData extends FeedData {
  readonly source: 'derived';
  readonly kind: 'execution';
  readonly paper: true;
  readonly symbol: string;
  readonly side: Side;
  readonly quantity: number;
  readonly price: number;
  readonly date: string;
  /** The idempotent id of the signal that it follows. */
  readonly signalId: string;
}

/** The data of a message of `system`. */
export interface SystemData extends FeedData, NodeReport {
  readonly source: 'measured';
}

/** The data of the demo feeds by stream, for `connect<DemoStreams>(…)`. */
export interface DemoStreams {
  market: MarketData;
  news: NewsData;
  portfolio: PortfolioData;
  signals: SignalData | ExecutionData;
  system: SystemData;
}
