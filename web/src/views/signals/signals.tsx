/** Signals: signals and executions in the order of the ledger. */
import { signal } from '@preact/signals';
import { amount, count, NONE, timeOfDay } from '../../live/format.js';
import { Chips, Nothing, Panel, Scroll, Source } from '../../parts/panel.js';
import { usePage } from '../../use-page.js';
import type { LedgerLine } from './signal-store.js';

type Kind = 'all' | 'signal' | 'execution';

const KINDS: readonly (readonly [Kind, string])[] = [
  ['all', 'All'],
  ['signal', 'Signals'],
  ['execution', 'Executions'],
];
const MAX_SHOWN = 200;

const kind = signal<Kind>('all');
const symbol = signal('');

export function Signals() {
  const { signals } = usePage();
  signals.version;
  const wanted = symbol.value.trim().toLowerCase();
  const lines = signals.lines.filter(
    (line) =>
      (kind.value === 'all' || line.kind === kind.value) && line.symbol.toLowerCase().includes(wanted),
  );
  return (
    <div class="view">
      <Panel title="Signals" id="signals" aside={<OrderCheck />}>
        <div class="toolbar">
          <Chips
            label="Kind"
            values={KINDS}
            value={kind.value}
            onChange={(value) => {
              kind.value = value;
            }}
          />
          <label class="search">
            <span class="hidden">Filter symbols</span>
            <input
              type="search"
              id="signal-filter"
              placeholder="Filter symbols"
              value={symbol.value}
              onInput={(event) => {
                symbol.value = event.currentTarget.value;
              }}
            />
          </label>
        </div>
        {signals.lines.length === 0 ? (
          <Nothing
            stream="signals"
            hint="A signal appears when two moving averages of the replayed prices cross. That is rare; it may take some minutes."
          />
        ) : (
          <Ledger lines={lines.slice(0, MAX_SHOWN)} />
        )}
        <footer class="panel-foot">
          <Source source={signals.source} />
          <p class="source">Executions are on paper: nothing is traded.</p>
        </footer>
      </Panel>
    </div>
  );
}

/** Whether the shown part of the ledger is complete, as this page checks it. */
function OrderCheck() {
  const page = usePage();
  const { lines, contiguousFrom } = page.signals;
  const newest = lines[0]?.seq;
  if (newest === undefined || contiguousFrom === undefined) return <span class="quiet"> </span>;
  const missing = page.records.get('signals')?.missing ?? 0;
  return missing === 0 ? (
    <span class="good">
      ✓ seq {count(contiguousFrom)}–{count(newest)}, none missing
    </span>
  ) : (
    <span class="bad">{count(missing)} missing</span>
  );
}

function Ledger({ lines }: { readonly lines: readonly LedgerLine[] }) {
  return (
    <Scroll label="Ledger">
      <table class="blotter">
        <caption class="hidden">Signals and executions in ledger order, the newest first</caption>
        <thead>
          <tr>
            <th scope="col" class="number">
              Seq
            </th>
            <th scope="col" class="roomy">
              Time
            </th>
            <th scope="col">Symbol</th>
            <th scope="col">Kind</th>
            <th scope="col">Side</th>
            <th scope="col" class="number">
              Price
            </th>
            <th scope="col" class="number roomy">
              Quantity
            </th>
            <th scope="col" class="number roomy">
              Of
            </th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={line.seq} class={line.isLive ? 'arrives' : ''}>
              <td class="number quiet">{count(line.seq)}</td>
              <td class="quiet roomy">{timeOfDay(line.time)}</td>
              <th scope="row">{line.symbol}</th>
              <td>
                <span class={`tag ${line.kind}`}>{line.kind}</span>
              </td>
              <td>
                <span class={`side ${line.side}`}>{line.side || NONE}</span>
              </td>
              <td class="number">{amount(line.price)}</td>
              <td class="number roomy">{count(line.quantity)}</td>
              <td class="number quiet roomy">{line.date ?? NONE}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {lines.length === 0 && <p class="none">Nothing in the ledger fits these filters.</p>}
    </Scroll>
  );
}
