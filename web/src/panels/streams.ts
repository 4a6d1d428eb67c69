import { byId, setClass, setText, within } from '../dom.js';
import { count, decimal, messages, NONE } from '../format.js';
import type { Paintable } from '../painter.js';
import type { StreamRecord } from '../stream-record.js';
import { keyText, row } from './table.js';

/** The streams of the hub, and whether their sequence numbers were as they should be. Paint it every second: rates fall. */
export class StreamsPanel implements Paintable {
  readonly #section = byId('streams');
  readonly #body = within(this.#section, 'tbody');
  readonly #empty = within(this.#section, '.empty');
  readonly #order = byId('order');
  #lines: {
    readonly record: StreamRecord;
    readonly isRead: boolean;
    readonly cells: readonly HTMLElement[];
  }[] = [];

  /** The streams to show. @param isRead whether this page reads a stream */
  show(records: Iterable<StreamRecord>, isRead: (name: string) => boolean): void {
    this.#lines = [...records].map((record) => {
      const { row: line, cells } = row(['', 'quiet', 'number', 'number', 'number']);
      cells[0]?.append(keyText(record.name));
      return { record, isRead: isRead(record.name), cells, line };
    });
    this.#body.replaceChildren(...this.#lines.flatMap(({ cells }) => cells[0]?.parentElement ?? []));
    this.#empty.hidden = this.#lines.length > 0;
    setText(this.#empty, 'This hub has no streams.');
    this.paint();
  }

  paint(): void {
    const now = Date.now();
    let received = 0;
    let missing = 0;
    let repeated = 0;
    for (const { record, isRead, cells } of this.#lines) {
      received += record.received;
      missing += record.missing;
      repeated += record.repeated;
      const texts = isRead
        ? [decimal(record.rate.perSecond(now)), count(record.received), count(record.last)]
        : ['not read', NONE, NONE];
      [record.class, ...texts].forEach((text, i) => {
        const cell = cells[i + 1];
        if (cell !== undefined) setText(cell, text);
      });
    }
    const isWhole = missing === 0 && repeated === 0;
    const finding = isWhole
      ? 'none missing, none twice, in order.'
      : `${messages(missing)} missing, ${count(repeated)} twice.`;
    setClass(this.#order, isWhole ? 'source' : 'source fault');
    setText(
      this.#order,
      received === 0
        ? 'Every sequence number is checked by this page.'
        : `Checked here: ${messages(received)}, ${finding}`,
    );
  }
}
