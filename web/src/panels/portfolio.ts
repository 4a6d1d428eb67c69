import type { Message } from '../../../server/protocol/message.js';
import { setClass, setText, within } from '../dom.js';
import { dateText, numberOf } from '../fields.js';
import { amount, direction, percentOf, signedAmount, signedPercent } from '../format.js';
import type { Paintable } from '../painter.js';
import { Panel } from './panel.js';

/** The portfolio that spoke first; a second one does not take its place. */
export class PortfolioPanel extends Panel implements Paintable {
  readonly #figure = (name: string) => within(this.section, `[data-figure="${name}"]`);
  readonly #value = this.#figure('value');
  readonly #pnl = this.#figure('pnl');
  readonly #pnlPercent = this.#figure('pnl-percent');
  readonly #date = this.#figure('date');
  readonly #drawdown = this.#figure('drawdown');
  readonly #valueAtRisk = this.#figure('var95');
  #topic: string | undefined;
  #data: unknown;

  constructor() {
    super('portfolio');
  }

  take(message: Message): boolean {
    this.#topic ??= message.topic;
    if (message.topic !== this.#topic) return false;
    this.shows(message);
    this.#data = message.data;
    return true;
  }

  paint(): void {
    const pnl = numberOf(this.#data, 'pnl');
    setText(this.#value, amount(numberOf(this.#data, 'value')));
    setText(this.#date, dateText(this.#data));
    setText(this.#pnl, signedAmount(pnl));
    setText(this.#pnlPercent, signedPercent(numberOf(this.#data, 'pnlPercent')));
    setClass(this.#pnl, direction(pnl));
    setText(this.#drawdown, percentOf(numberOf(this.#data, 'drawdown')));
    setText(this.#valueAtRisk, amount(numberOf(this.#data, 'var95')));
  }
}
