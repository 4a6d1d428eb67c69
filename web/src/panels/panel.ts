import type { Message } from '../../../server/protocol/message.js';
import { byId, element, setText, within } from '../dom.js';
import { textOf } from '../fields.js';
import { sourceText } from '../words.js';

const MAX_SOURCES = 4;
const MAX_SOURCE_LENGTH = 24;

/** What the panels of streams share: they say where their data come from, and what is going on while there are none. */
export class Panel {
  readonly section: HTMLElement;
  readonly #source: HTMLElement;
  readonly #empty: HTMLElement;
  readonly #sources = new Set<string | undefined>();
  #isEmpty = true;

  constructor(id: string) {
    this.section = byId(id);
    this.#source = within(this.section, '.source');
    this.#empty = within(this.section, '.empty');
  }

  /** Says why nothing is here. Does nothing once there is something. */
  explain(text: string): void {
    if (this.#isEmpty) setText(this.#empty, text);
  }

  /** To be called for each message that the panel shows. */
  protected shows(message: Message): void {
    if (this.#isEmpty) {
      this.#isEmpty = false;
      this.#empty.hidden = true;
      for (const content of this.section.querySelectorAll<HTMLElement>('.content')) content.hidden = false;
    }
    const source = textOf(message.data, 'source')?.slice(0, MAX_SOURCE_LENGTH);
    if (this.#sources.has(source) || this.#sources.size >= MAX_SOURCES) return;
    this.#sources.add(source);
    this.#source.replaceChildren(
      ...[...this.#sources].map((label) => {
        const line = element('span');
        line.append(element('b', 'tag', label ?? 'unlabelled'), ` ${sourceText(label)} `);
        return line;
      }),
    );
  }
}
