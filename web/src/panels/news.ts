import type { Message } from '../../../server/protocol/message.js';
import { element, within } from '../dom.js';
import { numberOf, textOf } from '../fields.js';
import { direction, NONE, signedAmount, timeOfDay } from '../format.js';
import type { Paintable } from '../painter.js';
import { Panel } from './panel.js';

const HEADLINES = 5;

/** The last headlines, newest first. */
export class NewsPanel extends Panel implements Paintable {
  readonly #list = within(this.section, '.headlines');
  readonly #newest: { readonly message: Message; readonly arrivedAt: number }[] = [];

  constructor() {
    super('news');
  }

  take(message: Message, arrivedAt: number): boolean {
    if (textOf(message.data, 'headline') === undefined) return false;
    this.shows(message);
    this.#newest.unshift({ message, arrivedAt });
    this.#newest.length = Math.min(this.#newest.length, HEADLINES);
    return true;
  }

  paint(): void {
    this.#list.replaceChildren(
      ...this.#newest.map(({ message, arrivedAt }) => headline(message.data, arrivedAt)),
    );
  }
}

function headline(data: unknown, arrivedAt: number): HTMLLIElement {
  const item = element('li');
  const meta = element('p', 'meta');
  const { word, className } = sentiment(data);
  meta.append(
    element('span', className, word),
    element('span', '', textOf(data, 'category') ?? NONE),
    element('time', '', timeOfDay(arrivedAt)),
  );
  item.append(element('p', 'headline', textOf(data, 'headline')), meta);
  return item;
}

/** Publishers write a sentiment as a word, or as a number from −1 to 1. */
function sentiment(data: unknown): { readonly word: string; readonly className: string } {
  const score = numberOf(data, 'sentiment');
  if (score !== undefined) {
    const tone = { up: 'positive', down: 'negative', '': 'neutral' }[direction(score)];
    return { word: `${tone} ${signedAmount(score)}`, className: direction(score) };
  }
  const word = textOf(data, 'sentiment') ?? 'no sentiment';
  const className = word === 'positive' ? 'up' : word === 'negative' ? 'down' : '';
  return { word, className };
}
