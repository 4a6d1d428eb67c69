/** Portfolio: what a book is worth, what it gained, and what it may lose. */
import { signal } from '@preact/signals';
import { numberOf, textOf } from '../../live/fields.js';
import {
  amount,
  count,
  direction,
  NONE,
  percent,
  percentOf,
  signedAmount,
  signedPercent,
} from '../../live/format.js';
import { Chips, Figure, Nothing, Panel, Scroll, Source } from '../../parts/panel.js';
import { PriceChart } from '../../parts/price-chart.js';
import { usePage } from '../../use-page.js';
import { type Book, positionsOf } from './portfolio-store.js';

const chosen = signal<string | undefined>(undefined);

export function Portfolio() {
  const { portfolio } = usePage();
  portfolio.version;
  const keys = [...portfolio.books.keys()].sort();
  const key = chosen.value ?? keys[0];
  const book = key === undefined ? undefined : portfolio.books.get(key);
  if (book === undefined) {
    return (
      <div class="view">
        <Panel title="Portfolio" id="portfolio">
          <Nothing stream="portfolio" hint="A book appears with its first valuation." />
        </Panel>
      </div>
    );
  }
  return (
    <div class="view portfolio">
      <Panel title="Book" id="portfolio" aside={<Books keys={keys} shown={book.key} />}>
        <Risk book={book} />
        <PriceChart
          id={book.key}
          points={book.values}
          label={`Value of ${book.key}, now ${amount(numberOf(book.data, 'value'))} dollars`}
          direction={direction(numberOf(book.data, 'pnl'))}
        />
        <footer class="panel-foot">
          <Source source={portfolio.source} />
        </footer>
      </Panel>
      <Positions book={book} />
    </div>
  );
}

function Books({ keys, shown }: { readonly keys: readonly string[]; readonly shown: string }) {
  if (keys.length < 2) return <span class="quiet">{shown}</span>;
  return (
    <Chips
      label="Book"
      values={keys.map((key): [string, string] => [key, key])}
      value={shown}
      onChange={(key) => {
        chosen.value = key;
      }}
    />
  );
}

function Risk({ book: { data } }: { readonly book: Book }) {
  const pnl = numberOf(data, 'pnl');
  const value = numberOf(data, 'value');
  const var95 = numberOf(data, 'var95');
  const steps = numberOf(data, 'varSteps');
  const drawdown = numberOf(data, 'drawdown');
  const ofValue = var95 === undefined || !value ? NONE : `${percent((var95 / value) * 100)} of value`;
  return (
    <dl class="figures">
      <Figure name="Value, USD" value={amount(value)} below={`of ${textOf(data, 'date') ?? NONE}`} />
      <Figure
        name="P&L"
        value={signedAmount(pnl)}
        below={signedPercent(numberOf(data, 'pnlPercent'))}
        tone={direction(pnl)}
      />
      <Figure
        name="VaR 95 %, one step"
        value={amount(var95)}
        below={var95 === undefined ? `has ${count(steps)} of 20 steps` : `${ofValue}, ${count(steps)} steps`}
      />
      <Figure
        name="Drawdown"
        value={percentOf(drawdown)}
        below="below its peak"
        tone={drawdown !== undefined && drawdown > 0.1 ? 'down' : ''}
      />
      <Figure
        name="Volatility"
        value={percentOf(numberOf(data, 'volatility'))}
        below={`annualised, ${textOf(data, 'frequency') ?? NONE}`}
      />
    </dl>
  );
}

function Positions({ book: { data } }: { readonly book: Book }) {
  const positions = positionsOf(data);
  const total = positions.reduce((sum, { value }) => sum + (value ?? 0), 0);
  return (
    <Panel title="Positions" id="positions" aside={<span class="quiet">{positions.length} holdings</span>}>
      <Scroll label="Positions of the book">
        <table class="blotter">
          <caption class="hidden">Positions of the book at the prices of the last step</caption>
          <thead>
            <tr>
              <th scope="col">Symbol</th>
              <th scope="col" class="number">
                Quantity
              </th>
              <th scope="col" class="number">
                Price
              </th>
              <th scope="col" class="number">
                Value
              </th>
              <th scope="col" class="number roomy">
                Cost
              </th>
              <th scope="col" class="number">
                P&L
              </th>
              <th scope="col" class="roomy">
                Weight
              </th>
            </tr>
          </thead>
          <tbody>
            {positions.map(({ symbol, quantity, price, value, cost, pnl }) => (
              <tr key={symbol}>
                <th scope="row">{symbol}</th>
                <td class="number">{count(quantity)}</td>
                <td class="number">{amount(price)}</td>
                <td class="number">{amount(value)}</td>
                <td class="number quiet roomy">{amount(cost)}</td>
                <td class={`number ${direction(pnl)}`}>{signedAmount(pnl)}</td>
                <td class="roomy">
                  <Weight share={total > 0 && value !== undefined ? value / total : undefined} of={symbol} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
        {positions.length === 0 && <p class="none">The book names no positions.</p>}
      </Scroll>
    </Panel>
  );
}

function Weight({ share, of }: { readonly share: number | undefined; readonly of: string }) {
  return (
    <span class="weight">
      <meter min={0} max={1} value={share ?? 0} aria-label={`Weight of ${of}`} />
      <span class="number">{percentOf(share)}</span>
    </span>
  );
}
