import type { Message } from '../../../server/protocol/message.js';
import { element, setClass, setText, within } from '../dom.js';
import { fieldOf, numberOf, textOf } from '../fields.js';
import { ago, count, megabytes, milliseconds, percent } from '../format.js';
import type { Paintable } from '../painter.js';
import { Panel } from './panel.js';
import { insertSorted, keyText, row } from './table.js';

const MAX_ROWS = 50;
/** A node that has said nothing for so long is shown as silent. */
const SILENT_AFTER_MS = 10_000;

const CELLS = [
  '',
  'number',
  'number',
  'number',
  ...Array<string>(3).fill('number roomy'),
  'number tight',
  'number roomy quiet',
];

interface NodeRow {
  data: unknown;
  reportedAt: number;
  readonly paint: () => void;
}

/** The newest report of each node. Ages go on by themselves: paint it every second. */
export class NodesPanel extends Panel implements Paintable {
  readonly #body = within(this.section, 'tbody');
  readonly #rows = new Map<string, NodeRow>();
  #serving: string | undefined;

  constructor() {
    super('system');
  }

  /** The node that serves this page. */
  serves(node: string | undefined): void {
    this.#serving = node;
  }

  take(message: Message, reportedAt: number): boolean {
    const name = textOf(message.data, 'node');
    if (name === undefined || numberOf(message.data, 'cpuPercent') === undefined) return false;
    let entry = this.#rows.get(name);
    if (entry === undefined) {
      if (this.#rows.size >= MAX_ROWS) return false;
      entry = this.#add(name);
    }
    this.shows(message);
    entry.data = message.data;
    entry.reportedAt = reportedAt;
    return true;
  }

  paint(): void {
    for (const entry of this.#rows.values()) entry.paint();
  }

  #add(name: string): NodeRow {
    const { row: line, cells } = row(CELLS);
    const here = element('span', 'tag', 'this page');
    const below = element('span', 'below tight');
    cells[0]?.append(keyText(name), ' ', here, below);
    const entry: NodeRow = {
      data: undefined,
      reportedAt: 0,
      paint: () => {
        const ageMs = Date.now() - entry.reportedAt;
        const silent = ageMs > SILENT_AFTER_MS;
        const condition = silent ? 'silent, ' : fieldOf(entry.data, 'draining') === true ? 'draining, ' : '';
        const age = condition + ago(ageMs);
        const connections = fieldOf(entry.data, 'connections');
        const texts = [
          percent(numberOf(entry.data, 'cpuPercent')),
          megabytes(numberOf(entry.data, 'rssBytes')),
          milliseconds(numberOf(entry.data, 'eventLoopLagMs')),
          count(numberOf(connections, 'socketio')),
          count(numberOf(connections, 'websocket')),
          count(numberOf(connections, 'sse')),
          count(total(connections)),
          age,
        ];
        texts.forEach((text, i) => {
          const cell = cells[i + 1];
          if (cell !== undefined) setText(cell, text);
        });
        setText(below, age);
        setClass(line, silent ? 'silent' : '');
        here.hidden = name !== this.#serving;
      },
    };
    this.#rows.set(name, entry);
    insertSorted(this.#body, line, name);
    return entry;
  }
}

function total(connections: unknown): number | undefined {
  const counts = ['socketio', 'websocket', 'sse'].flatMap(
    (transport) => numberOf(connections, transport) ?? [],
  );
  return counts.length === 0 ? undefined : counts.reduce((sum, one) => sum + one, 0);
}
