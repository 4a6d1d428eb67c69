import { byId, element } from '../dom.js';
import { timeOfDay } from '../format.js';

const MAX_LINES = 50;

/** What happened on the connection, newest first. */
export class HistoryPanel {
  readonly #list = byId('history');

  add(text: string): void {
    const line = element('li');
    line.append(element('time', '', timeOfDay(Date.now())), element('span', '', text));
    this.#list.prepend(line);
    while (this.#list.children.length > MAX_LINES) this.#list.lastElementChild?.remove();
  }
}
