/**
 * The real prices behind the demo: the S&P 500 by day (2000 to 2020) and five shares by month (2000 to 2010). `data/`
 * has copies of two files of the package `vega-datasets`, whose other files take 42 MB.
 */

import { readFileSync } from 'node:fs';
import type { PriceRow } from '@axiom-streaming/protocol/demo-data';
import type { PriceSeries } from './series.js';

/** The source of the prices, as messages name it. */
const PACKAGE = 'vega-datasets';
const DAILY_FILE = 'sp500-2000.csv';
const MONTHLY_FILE = 'stocks.csv';
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

type Cells = Readonly<Record<string, string | undefined>>;

/** All series, in the order in which a step publishes them. @throws Error that names the file, line and column. */
export function loadPriceSeries(): PriceSeries[] {
  return [loadDaily(), ...loadMonthly()];
}

function loadDaily(): PriceSeries {
  const rows = readCells(DAILY_FILE).map((cells, index): PriceRow => {
    const cell = (column: string) => numberIn(cells, column, DAILY_FILE, index);
    return {
      date: textIn(cells, 'date', DAILY_FILE, index),
      open: cell('open'),
      high: cell('high'),
      low: cell('low'),
      close: cell('close'),
      volume: cell('volume'),
    };
  });
  if (rows.length === 0) throw new Error(`${PACKAGE}/${DAILY_FILE}: has no rows`);
  return { symbol: 'SP500', frequency: 'daily', dataset: `${PACKAGE}/${DAILY_FILE}`, rows };
}

function loadMonthly(): PriceSeries[] {
  const bySymbol = new Map<string, PriceRow[]>();
  readCells(MONTHLY_FILE).forEach((cells, index) => {
    const symbol = textIn(cells, 'symbol', MONTHLY_FILE, index);
    const rows = bySymbol.get(symbol) ?? [];
    rows.push({
      date: isoDate(textIn(cells, 'date', MONTHLY_FILE, index), index),
      close: numberIn(cells, 'price', MONTHLY_FILE, index),
    });
    bySymbol.set(symbol, rows);
  });
  return [...bySymbol].map(([symbol, rows]) => ({
    symbol,
    frequency: 'monthly',
    dataset: `${PACKAGE}/${MONTHLY_FILE}`,
    rows,
  }));
}

/** The rows of a file by the names of its columns. No cell of these files contains a comma or a quote. */
function readCells(file: string): Cells[] {
  const text = readFileSync(new URL(`data/${file}`, import.meta.url), 'utf8');
  const [header = [], ...rows] = text
    .trim()
    .split(/\r?\n/)
    .map((line) => line.split(','));
  return rows.map((cells, index) => {
    if (cells.length !== header.length) {
      throw new Error(`${place(file, index)}: has ${cells.length} cells, not ${header.length}`);
    }
    return Object.fromEntries(header.map((column, i) => [column, cells[i]]));
  });
}

function textIn(cells: Cells, column: string, file: string, index: number): string {
  const text = cells[column];
  if (text === undefined || text === '') throw new Error(`${place(file, index)}: "${column}" is empty`);
  return text;
}

/**
 * All figures of these files are prices and volumes. They must be above zero, because log returns are computed from
 * them.
 */
function numberIn(cells: Cells, column: string, file: string, index: number): number {
  const text = textIn(cells, column, file, index);
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) {
    throw new Error(`${place(file, index)}: "${column}" is "${text}", not a number above zero`);
  }
  return value;
}

/** `Jan 1 2000` as `2000-01-01`; parsed by hand, since `Date` would read it in the machine's time zone. */
function isoDate(text: string, index: number): string {
  const [, name = '', day = '', year = ''] = /^([A-Z][a-z]{2}) (\d{1,2}) (\d{4})$/.exec(text) ?? [];
  const month = MONTHS.indexOf(name) + 1;
  if (month === 0) throw new Error(`${place(MONTHLY_FILE, index)}: "${text}" is not a date`);
  return `${year}-${String(month).padStart(2, '0')}-${day.padStart(2, '0')}`;
}

/** The line number that an editor shows: the header is line 1. */
function place(file: string, index: number): string {
  return `${PACKAGE}/${file}:${index + 2}`;
}
