/** The connection: a pill that is always in view, and a panel with the latest events and the settings. */

import type { State, Transport } from '@axiom-streaming/client';
import { signal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { remember, wanted } from '../live/choices.js';
import { timeOfDay } from '../live/format.js';
import { transportText } from '../live/words.js';
import { usePage } from '../use-page.js';
import { Chips } from './panel.js';

const open = signal(false);
const transport = signal(wanted.transport.value);

const STATES: Readonly<Record<State, string>> = {
  connecting: 'Connecting',
  connected: 'Live',
  recovering: 'Catching up',
  reconnecting: 'Reconnecting',
  refused: 'Refused',
  closed: 'Closed',
};

const TRANSPORTS: readonly (readonly ['auto' | Transport, string])[] = [
  ['auto', 'Auto'],
  ['socketio', 'Socket.IO'],
  ['websocket', 'WebSocket'],
  ['sse', 'SSE'],
];

export function StatusPill() {
  const page = usePage();
  page.connection.version;
  const { state, node, transport: over } = page.connection.status;
  return (
    <button
      type="button"
      class={`pill ${state}`}
      id="connection"
      aria-expanded={open.value}
      aria-controls="connection-panel"
      onClick={() => {
        open.value = !open.value;
      }}
    >
      <span class="dot" aria-hidden="true" />
      <span class="pill-state">{STATES[state]}</span>
      <span class="pill-where">
        <span id="transport">{transportText(over)}</span> · <span id="node">{node ?? 'no node'}</span>
      </span>
    </button>
  );
}

export function ConnectionPanel() {
  const page = usePage();
  page.connection.version;
  const panel = useRef<HTMLElement>(null);
  useEffect(() => {
    if (!open.value) return;
    panel.current?.focus();
    const close = (event: KeyboardEvent) => {
      if (event.key !== 'Escape') return;
      open.value = false;
      document.getElementById('connection')?.focus();
    };
    window.addEventListener('keydown', close);
    return () => window.removeEventListener('keydown', close);
  }, [open.value]);
  if (!open.value) return null;
  const { status, events } = page.connection;
  const apply = (event: Event) => {
    event.preventDefault();
    remember(transport.value, wanted.token.value.trim());
    // Other settings need a new client, so the page is reloaded, as if in a new tab.
    location.reload();
  };
  return (
    <section class="drawer" id="connection-panel" aria-labelledby="drawer-heading" tabIndex={-1} ref={panel}>
      <header class="panel-head">
        <h2 id="drawer-heading">Connection</h2>
        <button
          type="button"
          class="icon-button"
          aria-label="Close"
          onClick={() => {
            open.value = false;
          }}
        >
          <svg viewBox="0 0 24 24" aria-hidden="true">
            <path d="M6 6l12 12M18 6L6 18" />
          </svg>
        </button>
      </header>
      <dl class="facts">
        <Fact name="State" value={STATES[status.state]} />
        <Fact name="Node" value={status.node ?? 'none'} />
        <Fact
          name="Transport"
          value={transportText(status.transport) + (status.via === undefined ? '' : `, ${status.via}`)}
        />
        <Fact name="Since" value={timeOfDay(status.since)} />
      </dl>
      <form class="fields" onSubmit={apply}>
        <div class="field">
          <span>Transport</span>
          <Chips
            label="Transport of the page"
            values={TRANSPORTS}
            value={transport.value}
            onChange={(value) => {
              transport.value = value;
            }}
          />
        </div>
        <label class="field">
          <span>Token, kept in this tab only</span>
          <input
            type="password"
            autocomplete="off"
            value={wanted.token.value}
            onInput={(event) => {
              wanted.token.value = event.currentTarget.value;
            }}
          />
        </label>
        <button type="submit" class="primary">
          Connect anew
        </button>
      </form>
      <h3>What happened</h3>
      <ol class="events">
        {events.map(({ id, at, tone, text }) => (
          <li key={id} class={tone}>
            <time dateTime={new Date(at).toISOString()}>{timeOfDay(at)}</time> {text}
          </li>
        ))}
        {events.length === 0 && <li>Nothing yet.</li>}
      </ol>
      <nav class="links" aria-label="Of this hub">
        <a href="health">Health</a>
        <a href="api/streams">Streams</a>
        <a href="api/nodes">Nodes</a>
        <a href="metrics">Metrics</a>
      </nav>
    </section>
  );
}

function Fact({ name, value }: { readonly name: string; readonly value: string }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}
