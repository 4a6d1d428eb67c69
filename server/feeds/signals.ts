/**
 * `signals:<symbol>`: crossings of two moving averages of the replayed prices, and a paper execution for each.
 *
 * A signal stands before its execution in the ledger; both are committed in one batch. The executions keep no book: each
 * is {@link PAPER_QUANTITY} at the row's close, without costs, so a sell may come first. Nothing is traded anywhere.
 */
import type { ExecutionData, Side, SignalData } from '@axiom-streaming/protocol/demo-data';
import type { Publication } from '../hub/operations/publisher.js';
import { type Feed, publicationId, rowAt } from './feed.js';
import { closes, FREQUENCIES, type PriceSeries } from './series.js';
import { movingAverage, roundOrNull } from './statistics.js';

/** Shares, or units of the index, of a paper execution. */
export const PAPER_QUANTITY = 100;

/** The `signals` feed: most of its ticks have no message. */
export function signalsFeed(series: readonly PriceSeries[], intervalMs: number): Feed {
  const tables = series.map((one) => ({
    symbol: one.symbol,
    rows: one.rows.length,
    crossings: crossings(one),
  }));
  return {
    name: 'signals',
    intervalMs,
    at: (tick) =>
      tables.flatMap(({ symbol, rows, crossings }) => {
        const signal = crossings.get(rowAt(tick, rows));
        return signal === undefined ? [] : publications(symbol, signal, tick);
      }),
  };
}

/**
 * The crossings of one pass by row. The side is where the fast average lies; equal averages keep the side they had, so
 * a touch is no crossing, and the first side of a pass is none either.
 */
function crossings(series: PriceSeries): Map<number, SignalData> {
  const { symbol, frequency, rows } = series;
  const { fastWindow, slowWindow } = FREQUENCIES[frequency];
  const prices = closes(series);
  const fastAverage = movingAverage(prices, fastWindow);
  const slowAverage = movingAverage(prices, slowWindow);
  const found = new Map<number, SignalData>();
  let last: Side | undefined;
  rows.forEach(({ date, close: price }, row) => {
    // As they are sent: a reader who compares them finds the same side, and the last bits of a double are no crossing.
    const fast = roundOrNull(fastAverage[row]!, 6);
    const slow = roundOrNull(slowAverage[row]!, 6);
    if (fast === null || slow === null || fast === slow) return;
    const side = fast > slow ? 'buy' : 'sell';
    if (last !== undefined && side !== last) {
      found.set(row, {
        source: 'derived',
        kind: 'signal',
        symbol,
        frequency,
        side,
        fast,
        slow,
        fastWindow,
        slowWindow,
        price,
        date,
      });
    }
    last = side;
  });
  return found;
}

function publications(symbol: string, signal: SignalData, tick: number): Publication[] {
  const topic = `signals:${symbol}`;
  const signalId = publicationId('signals', symbol, tick);
  const execution: ExecutionData = {
    source: 'derived',
    kind: 'execution',
    paper: true,
    symbol,
    side: signal.side,
    quantity: PAPER_QUANTITY,
    price: signal.price,
    date: signal.date,
    signalId,
  };
  return [
    { topic, data: JSON.stringify(signal), id: signalId },
    { topic, data: JSON.stringify(execution), id: publicationId('signals', symbol, tick, 'execution') },
  ];
}
