/** What the line below the header says about the connection. */
import { type ConnectionStore, recoveryText } from './connection.js';
import { reasonText } from './words.js';

/** How long a recovery is shown. */
const RECOVERY_SHOWN_MS = 60_000;

type Shown = Readonly<Pick<ConnectionStore, 'status' | 'recovery' | 'degraded' | 'gaps' | 'events'>>;

/** @returns the class of the line, which is empty where nothing is worth a colour, and its text */
export function headline(connection: Shown): [tone: '' | 'good' | 'warning' | 'bad', text: string] {
  const { status, recovery, degraded, gaps, events } = connection;
  const { code = '', message: error = '' } = status.error ?? {};
  switch (status.state) {
    case 'connecting':
      if (status.attempt <= 1) return ['', 'Connecting …'];
      return /^(unreachable|timeout)?$/.test(code)
        ? ['bad', `The hub cannot be reached. Trying again automatically: ${error}`]
        : ['bad', `The hub has refused the connection (${code}). Trying again automatically: ${error}`];
    case 'reconnecting':
      return ['warning', 'Connection lost. Reconnecting automatically. What is shown is not live.'];
    case 'refused':
      return ['bad', `The hub refuses this page (${code}). Trying again automatically: ${error}`];
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
