import { byId, element, setText } from '../dom.js';
import { timeOfDay } from '../format.js';

export interface Notice {
  readonly level: 'info' | 'warning' | 'error';
  readonly text: string;
  readonly action?: { readonly label: string; readonly run: () => void };
  /** The reader may put it away, which calls this; others stay while what they say is so. */
  readonly onDismiss?: () => void;
}

const MAX_NOTICES = 12;
const SIGN = { info: 'Note', warning: 'Warning', error: 'Error' } as const;

/** What a reader has to know: each thing once, under its key. */
export class Notices {
  readonly #list = byId('notices');
  readonly #allWell = byId('all-well');
  readonly #shown = new Map<string, HTMLElement>();

  show(key: string, notice: Notice): void {
    const { level, text, action, onDismiss } = notice;
    const item = element('li', `notice ${level}`);
    const line = element('p');
    line.append(element('strong', '', SIGN[level]), ` ${text}`);
    item.append(line);
    if (action !== undefined) item.append(button(action.label, action.run));
    if (onDismiss !== undefined) {
      const dismiss = () => {
        this.clear(key);
        onDismiss();
      };
      item.append(button('Dismiss', dismiss));
    }
    const before = this.#shown.get(key);
    if (before === undefined) this.#list.append(item);
    else before.replaceWith(item);
    this.#shown.set(key, item);
    const oldest = this.#shown.keys().next().value;
    if (this.#shown.size > MAX_NOTICES && oldest !== undefined) this.clear(oldest);
    this.#allWell.hidden = true;
  }

  clear(key: string): void {
    const item = this.#shown.get(key);
    if (item === undefined) return;
    item.remove();
    this.#shown.delete(key);
    if (this.#shown.size === 0) this.allIsWell();
  }

  /** To be said while there is no notice. */
  allIsWell(): void {
    setText(this.#allWell, `No gap and no outage since ${timeOfDay(Date.now())}.`);
    this.#allWell.hidden = this.#shown.size > 0;
  }
}

function button(label: string, run: () => void): HTMLButtonElement {
  const made = element('button', '', label);
  made.type = 'button';
  made.addEventListener('click', run);
  return made;
}
