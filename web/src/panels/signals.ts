import type { Message } from '../../../server/protocol/message.js';
import { element, within } from '../dom.js';
import { fieldOf, numberOf, textOf } from '../fields.js';
import { amount, count, NONE } from '../format.js';
import type { Paintable } from '../painter.js';
import { Panel } from './panel.js';
import { keyText, row } from './table.js';

const SIGNALS = 5;
const SIDE_CLASS: Readonly<Record<string, string>> = { buy: 'up', sell: 'down' };

/** The last signals and executions, newest first. */
export class SignalsPanel extends Panel implements Paintable {
  readonly #body = within(this.section, 'tbody');
  readonly #newest: { readonly key: string; readonly data: unknown }[] = [];

  constructor() {
    super('signals');
  }

  take(message: Message, key: string): boolean {
    this.shows(message);
    this.#newest.unshift({ key, data: message.data });
    this.#newest.length = Math.min(this.#newest.length, SIGNALS);
    return true;
  }

  paint(): void {
    this.#body.replaceChildren(...this.#newest.map(({ key, data }) => signal(key, data)));
  }
}

function signal(key: string, data: unknown): HTMLTableRowElement {
  const kind = textOf(data, 'kind') ?? NONE;
  const side = textOf(data, 'side') ?? NONE;
  const quantity = numberOf(data, 'quantity');
  const price = amount(numberOf(data, 'price'));
  const date = textOf(data, 'date') ?? NONE;
  const { row: line, cells } = row(['', '', SIDE_CLASS[side] ?? '', 'number', 'number roomy quiet']);
  const texts = [
    '',
    fieldOf(data, 'paper') === true ? `paper ${kind}` : kind,
    side,
    quantity === undefined ? price : `${count(quantity)} × ${price}`,
    date,
  ];
  cells.forEach((cell, i) => {
    cell.textContent = texts[i] ?? NONE;
  });
  cells[0]?.append(keyText(key), element('span', 'below tight', date));
  return line;
}
