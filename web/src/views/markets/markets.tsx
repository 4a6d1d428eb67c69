/** Markets: a watchlist, and the chart of one symbol. */
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { numberOf, textOf } from '../../live/fields.js';
import { amount, count, direction, NONE, percentOf, signedAmount, signedPercent } from '../../live/format.js';
import { watchInView } from '../../parts/in-view.js';
import { Figure, Nothing, Panel, Scroll, Source } from '../../parts/panel.js';
import { PriceChart } from '../../parts/price-chart.js';
import { Sparkline } from '../../parts/sparkline.js';
import { usePage } from '../../use-page.js';
import { MAX_ROWS, type MarketRow, type MarketStore } from './market-store.js';

type Sort = 'symbol' | 'price' | 'change' | 'volatility';
type Order = 'ascending' | 'descending';

const chosen = signal<string | undefined>(undefined);
const filter = signal('');
const sort = signal<{ readonly by: Sort; readonly order: Order }>({ by: 'symbol', order: 'ascending' });

export function Markets() {
  const { market } = usePage();
  market.version;
  const rows = shownRows(market);
  const shown = chosen.value ?? [...market.rows.keys()].sort()[0];
  const row = shown === undefined ? undefined : market.rows.get(shown);
  return (
    <div class="view markets">
      <Panel title="Watchlist" id="watchlist" aside={<Filter count={rows.length} />}>
        {market.rows.size === 0 ? (
          <Nothing
            stream="market"
            hint="Prices appear as soon as one is published. The demo feeds may be off."
          />
        ) : (
          <Watchlist rows={rows} shown={shown} />
        )}
        <footer class="panel-foot">
          <Source source={market.source} />
          {market.leftOut.size > 0 && (
            <p class="source">
              {count(market.leftOut.size)} other symbols are not shown: the list ends at {count(MAX_ROWS)}.
            </p>
          )}
        </footer>
      </Panel>
      {row === undefined ? (
        <Panel title="Chart" id="chart">
          <div class="chart" />
        </Panel>
      ) : (
        <Chart row={row} key={row.key} />
      )}
    </div>
  );
}

function shownRows(market: MarketStore): MarketRow[] {
  const text = filter.value.trim().toLowerCase();
  const { by, order } = sort.value;
  const rows = [...market.rows.values()].filter(({ key }) => key.toLowerCase().includes(text));
  const value = ({ price, data }: MarketRow) =>
    (by === 'price' ? price : numberOf(data, by === 'change' ? 'changePercent' : 'volatility')) ??
    Number.NEGATIVE_INFINITY;
  const sign = order === 'ascending' ? 1 : -1;
  return rows.sort((a, b) =>
    by === 'symbol' || value(a) === value(b)
      ? (by === 'symbol' ? sign : 1) * a.key.localeCompare(b.key)
      : sign * (value(a) - value(b)),
  );
}

function Filter({ count: shown }: { readonly count: number }) {
  return (
    <label class="search">
      <span class="hidden">Filter symbols</span>
      <input
        type="search"
        id="market-filter"
        placeholder="Filter symbols"
        value={filter.value}
        onInput={(event) => {
          filter.value = event.currentTarget.value;
        }}
      />
      <span class="hidden" role="status">
        {count(shown)} symbols
      </span>
    </label>
  );
}

const COLUMNS: readonly (readonly [Sort, string])[] = [
  ['price', 'Last'],
  ['change', 'Change'],
  ['volatility', 'Volatility'],
];

function Watchlist({
  rows,
  shown,
}: {
  readonly rows: readonly MarketRow[];
  readonly shown: string | undefined;
}) {
  const body = useRef<HTMLTableSectionElement>(null);
  const move = (event: KeyboardEvent) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const buttons = [...(body.current?.querySelectorAll('button') ?? [])];
    const next = buttons[buttons.indexOf(document.activeElement as HTMLButtonElement) + step];
    if (next === undefined) return;
    event.preventDefault();
    next.focus();
    next.click();
  };
  return (
    <Scroll label="Watchlist">
      <table class="blotter">
        <caption class="hidden">Newest price of each symbol; arrow keys move between symbols</caption>
        <thead>
          <tr>
            <SortHead by="symbol" text="Symbol" />
            <th scope="col">Trend</th>
            {COLUMNS.map(([by, text]) => (
              <SortHead key={by} by={by} text={text} number />
            ))}
          </tr>
        </thead>
        <tbody ref={body} onKeyDown={move}>
          {rows.map((row) => (
            <Line key={row.key} row={row} isShown={row.key === shown} />
          ))}
        </tbody>
      </table>
      {rows.length === 0 && (
        <p class="none">
          No symbol contains “{filter.value}”.{' '}
          <button
            type="button"
            class="link"
            onClick={() => {
              filter.value = '';
            }}
          >
            Show all
          </button>
        </p>
      )}
    </Scroll>
  );
}

function SortHead({
  by,
  text,
  number = false,
}: {
  readonly by: Sort;
  readonly text: string;
  readonly number?: boolean;
}) {
  const { by: sorted, order } = sort.value;
  const isSorted = sorted === by;
  const toggle = () => {
    const first: Order = by === 'symbol' ? 'ascending' : 'descending';
    const other: Order = first === 'ascending' ? 'descending' : 'ascending';
    sort.value = { by, order: isSorted && order === first ? other : first };
  };
  return (
    <th scope="col" class={number ? 'number' : ''} aria-sort={isSorted ? order : 'none'}>
      <button type="button" class="sort" onClick={toggle}>
        {text}
        <span class="arrow" aria-hidden="true">
          {isSorted ? (order === 'ascending' ? '▲' : '▼') : ''}
        </span>
      </button>
    </th>
  );
}

function Line({ row, isShown }: { readonly row: MarketRow; readonly isShown: boolean }) {
  row.version;
  const line = useRef<HTMLTableRowElement>(null);
  useEffect(() => {
    if (line.current === null) return;
    const end = watchInView(line.current, (isInView) => {
      row.isInView = isInView;
    });
    return () => {
      end();
      row.isInView = false;
    };
  }, [row]);
  const changePercent = numberOf(row.data, 'changePercent');
  const show = () => {
    chosen.value = row.key;
  };
  return (
    // A click anywhere in the row counts; for the keyboard, the button in its first cell does the same.
    <tr class={isShown ? 'chosen' : ''} onClick={show} ref={line}>
      <th scope="row">
        <button type="button" class="symbol" aria-pressed={isShown}>
          {row.key}
        </button>
      </th>
      <td>
        <Sparkline values={row.trend} />
      </td>
      <td class="number">
        <span class={`price ${row.direction} ${row.moves % 2 === 0 ? 'even' : 'odd'}`}>
          {amount(row.price)}
        </span>
        {row.conflated > 0 && (
          <span class="folded" title="Values that this one stands for">
            +{row.conflated}
          </span>
        )}
      </td>
      <td class={`number ${direction(changePercent)}`}>{signedPercent(changePercent)}</td>
      <td class="number quiet">{percentOf(numberOf(row.data, 'volatility'))}</td>
    </tr>
  );
}

function Chart({ row }: { readonly row: MarketRow }) {
  row.version;
  const feed = usePage().chart.of(row.key);
  feed.version;
  const { data } = row;
  const change = numberOf(data, 'change');
  const changePercent = numberOf(data, 'changePercent');
  const date = textOf(data, 'date');
  const loaded =
    feed.error ?? (feed.begun ? `last ${count(feed.points.length)} messages` : 'loading the past …');
  return (
    <Panel title={row.key} id="chart" aside={<span class="quiet">{loaded}</span>}>
      <dl class="figures">
        <Figure name="Last" value={amount(row.price)} below={date === undefined ? ' ' : `of ${date}`} />
        <Figure
          name="Change"
          value={signedPercent(changePercent)}
          below={signedAmount(change)}
          tone={direction(changePercent)}
        />
        <Figure
          name="Volatility"
          value={percentOf(numberOf(data, 'volatility'))}
          below={textOf(data, 'frequency') ?? NONE}
        />
        <Figure name="Seq" value={count(row.seq)} below="place in the stream" />
      </dl>
      <PriceChart
        id={`${row.key} ${feed.begun}`}
        points={feed.points}
        label={`Price of ${row.key} over the last messages, now ${amount(row.price)}`}
        direction={trendOf(feed.points)}
      />
      <footer class="panel-foot">
        <p class="source">
          Time of publication; the chart is read with <code>rewind</code> and continues live. Chart by{' '}
          <a href="https://www.tradingview.com/" rel="noreferrer">
            TradingView Lightweight Charts™
          </a>
          , © TradingView, Inc.
        </p>
      </footer>
    </Panel>
  );
}

function trendOf(points: readonly { readonly value: number }[]): 'up' | 'down' | '' {
  const first = points.at(-240)?.value ?? points[0]?.value;
  const last = points.at(-1)?.value;
  if (first === undefined || last === undefined || first === last) return '';
  return last > first ? 'up' : 'down';
}
