/** The line below the header, always shown: what the last recovery did, what was lost, and how fresh the data are. */
import { ago, count } from '../live/format.js';
import { headline } from '../live/headline.js';
import { STALE_MS } from '../page.js';
import { usePage } from '../use-page.js';

export function StatusLine() {
  const { connection } = usePage();
  connection.version;
  const [tone, text] = headline(connection);
  return (
    <div class={`status-line ${tone}`}>
      <p class="status-text" role="status">
        {text}
      </p>
      <Freshness />
    </div>
  );
}

function Freshness() {
  const page = usePage();
  page.version;
  const now = Date.now();
  const { gaps } = page.connection;
  const age = page.lastAt === 0 ? undefined : now - page.lastAt;
  const isStale = age !== undefined && age > STALE_MS;
  return (
    <dl class="freshness">
      <div>
        <dt class="hidden">Messages per second</dt>
        <dd>
          <b id="message-rate">{count(page.rate.perSecond(now))}</b>/s
        </dd>
      </div>
      <div class={gaps > 0 ? 'bad' : ''}>
        <dt>gaps</dt>
        <dd>{count(gaps)}</dd>
      </div>
      <div class={page.conflated > 0 ? 'warning' : ''}>
        <dt>conflated</dt>
        <dd>{count(page.conflated)}</dd>
      </div>
      <div class={isStale ? 'warning' : ''}>
        <dt>{isStale ? 'stale' : 'updated'}</dt>
        <dd>{age === undefined ? 'never' : ago(age)}</dd>
      </div>
    </dl>
  );
}
