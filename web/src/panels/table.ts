import { element } from '../dom.js';

/** A new row: its first cell is its heading. @param classes of the cells, the heading's first. */
export function row(classes: readonly string[]): {
  readonly row: HTMLTableRowElement;
  readonly cells: HTMLElement[];
} {
  const made = element('tr');
  const cells = classes.map((className, i) => {
    const cell = element(i === 0 ? 'th' : 'td', className);
    if (i === 0) cell.setAttribute('scope', 'row');
    return cell;
  });
  made.append(...cells);
  return { row: made, cells };
}

/** Puts a row where its key belongs among rows that are sorted by `data-key`. */
export function insertSorted(body: HTMLElement, made: HTMLTableRowElement, key: string): void {
  made.dataset.key = key;
  for (const other of body.children) {
    if (other instanceof HTMLElement && (other.dataset.key ?? '') > key) {
      body.insertBefore(made, other);
      return;
    }
  }
  body.append(made);
}

/** A row's key. A long one is cut short on the page and whole on hovering. */
export function keyText(key: string): HTMLSpanElement {
  const text = element('span', 'key', key);
  text.title = key;
  return text;
}
