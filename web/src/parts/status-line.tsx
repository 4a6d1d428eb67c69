/** The line below the header, always shown: what the last recovery did, what was lost, and how fresh the data are. */
import type { ConnectionStore } from '../live/connection.js';
import { recoveryText } from '../live/connection.js';
import { ago, count } from '../live/format.js';
import { reasonText } from '../live/words.js';
import { STALE_MS } from '../page.js';
import { usePage } from '../use-page.js';

/** How long a recovery is shown. */
const RECOVERY_SHOWN_MS = 60_000;

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

function headline(connection: ConnectionStore): [string, string] {
  const { status, recovery, degraded, gaps, events } = connection;
  const { code = '', message: error = '' } = status.error ?? {};
  switch (status.state) {
    case 'connecting':
      if (status.attempt <= 1) return ['', 'Connecting …'];
      return /^(unreachable|timeout)?$/.test(code)
        ? ['bad', `The hub cannot be reached, trying again by itself: ${error}`]
        : ['bad', `The hub has refused the connection (${code}), trying again by itself: ${error}`];
    case 'reconnecting':
      return ['warning', 'Connection lost, reconnecting by itself. What is shown is not live.'];
    case 'closed':
      return [
        'bad',
        `Not connected: ${code ? `refused (${code}), ${error}` : 'closed'}. Open the connection panel to connect again.`,
      ];
    case 'recovering':
      return ['warning', `Back on ${status.node ?? 'a node'}, catching up …`];
    default:
  }
  if (degraded !== undefined) {
    const meanwhile =
      degraded.reason === 'slow' ? 'Only the newest values are shown' : 'Values may be out of date';
    return ['warning', `Degraded: ${reasonText(degraded.reason)}. ${meanwhile} until it ends.`];
  }
  if (recovery !== undefined && Date.now() - status.since < RECOVERY_SHOWN_MS) {
    return [recovery.recovered ? 'good' : 'bad', recoveryText(recovery)];
  }
  if (gaps > 0) return ['bad', events.find(({ tone }) => tone === 'bad')?.text ?? `${gaps} gaps`];
  return ['', 'Live. Nothing was lost since this page was opened.'];
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
