/**
 * `signals:<symbol>`: crossings of two moving averages of the replayed prices, and a paper execution for each.
 *
 * In the ledger a signal precedes its execution; both are committed in one batch. Executions do not track positions:
 * each is for {@link PAPER_QUANTITY} at the row's close, without costs, so a sell may come first. Nothing is really
 * traded.
 */
import type { ExecutionData, Side, SignalData } from '@axiom-streaming/protocol/demo-data';
import type { Publication } from '../hub/operations/publisher.js';
import { type Feed, publicationId, rowAt } from './feed.js';
import { closes, FREQUENCIES, type PriceSeries } from './series.js';
import { movingAverage, roundOrNull } from './statistics.js';

/** Shares, or units of the index, of a paper execution. */
const PAPER_QUANTITY = 100;

/** The `signals` feed: most ticks have no message. */
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
 * The crossings of one pass, by row. The side says whether the fast average is above or below the slow one. Equal
 * averages keep the previous side, so a touch is not a crossing; nor is the first side of a pass.
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
    // Rounded as they are sent, so that readers see the same side, and the last bits of a double do not make a
    // crossing.
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
