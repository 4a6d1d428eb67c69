import type { Message } from '../../../server/protocol/message.js';
import { element, setClass, setText, within } from '../dom.js';
import { dateText, numberOf, textOf } from '../fields.js';
import { amount, count, direction, NONE, percentOf, signedPercent } from '../format.js';
import type { Paintable } from '../painter.js';
import { Sparkline } from '../sparkline.js';
import { Panel } from './panel.js';
import { insertSorted, keyText, row } from './table.js';

const MAX_ROWS = 200;
const TREND_LENGTH = 60;

interface PriceRow {
  data: unknown;
  readonly trend: number[];
  readonly paint: () => void;
}

/** The newest price of each key of `market`. */
export class PricesPanel extends Panel implements Paintable {
  readonly #body = within(this.section, 'tbody');
  readonly #rows = new Map<string, PriceRow>();
  readonly #changed = new Set<PriceRow>();
  readonly #left = element('p', 'source');
  readonly #leftOut = new Set<string>();

  constructor() {
    super('market');
    this.section.append(this.#left);
    this.#left.hidden = true;
  }

  /** @returns false where there is nothing to paint. */
  take(message: Message, key: string): boolean {
    const price = numberOf(message.data, 'price');
    if (price === undefined) return false;
    let entry = this.#rows.get(key);
    if (entry === undefined) {
      if (this.#rows.size >= MAX_ROWS) {
        if (this.#leftOut.size < MAX_ROWS) this.#leftOut.add(key);
        return true;
      }
      entry = this.#add(key, message.data);
    }
    this.shows(message);
    entry.data = message.data;
    // A new pass of a replay does not go on from the last one.
    if (numberOf(message.data, 'row') === 0) entry.trend.length = 0;
    entry.trend.push(price);
    if (entry.trend.length > TREND_LENGTH) entry.trend.shift();
    this.#changed.add(entry);
    return true;
  }

  paint(): void {
    for (const entry of this.#changed) entry.paint();
    this.#changed.clear();
    this.#left.hidden = this.#leftOut.size === 0;
    const more = this.#leftOut.size >= MAX_ROWS ? `${MAX_ROWS} or more` : count(this.#leftOut.size);
    setText(this.#left, `${more} other keys are not shown: the table ends at ${MAX_ROWS}.`);
  }

  #add(key: string, data: unknown): PriceRow {
    const { row: line, cells } = row(['', 'trend', 'number', 'number', 'number', 'number roomy quiet']);
    const [symbol, trendCell, price, change, volatility, date] = cells as [
      HTMLElement,
      HTMLElement,
      HTMLElement,
      HTMLElement,
      HTMLElement,
      HTMLElement,
    ];
    const dateBelow = element('span', 'below tight');
    symbol.append(keyText(key), dateBelow);
    const sparkline = new Sparkline();
    trendCell.append(sparkline.svg);
    const entry: PriceRow = {
      data,
      trend: [],
      paint: () => {
        const changePercent = numberOf(entry.data, 'changePercent');
        setText(price, amount(numberOf(entry.data, 'price')));
        setText(change, signedPercent(changePercent));
        setClass(change, `number ${direction(changePercent)}`);
        setText(volatility, percentOf(numberOf(entry.data, 'volatility')));
        setText(date, dateText(entry.data));
        setText(dateBelow, textOf(entry.data, 'date') ?? NONE);
        sparkline.draw(entry.trend);
      },
    };
    this.#rows.set(key, entry);
    insertSorted(this.#body, line, key);
    return entry;
  }
}
