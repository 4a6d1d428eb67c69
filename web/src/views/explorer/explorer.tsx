/** Explorer: any topic with every option, and the messages as they arrive. */

import type { Transport } from '@axiom-streaming/client';
import { signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';
import { count, decimal, timeOfDay } from '../../live/format.js';
import { transportText } from '../../live/words.js';
import { Chips, Panel } from '../../parts/panel.js';
import { usePage } from '../../use-page.js';
import { form, type Row, type Start } from './explorer-store.js';
import { PublishForm } from './publish-form.js';

/** Rows in the document while messages arrive; a paused list shows all that are kept. */
const LIVE_ROWS = 60;
const PAUSED_ROWS = 500;
const MAX_TOPICS = 200;

const topics = signal<readonly string[]>([]);
const open = signal<number | undefined>(undefined);
const copied = signal('');

const STARTS: readonly (readonly [Start, string])[] = [
  ['live', 'Live'],
  ['rewind', 'Rewind'],
  ['since', 'Since a cursor'],
];
const TRANSPORTS: readonly (readonly ['auto' | Transport, string])[] = [
  ['auto', 'Auto'],
  ['socketio', 'Socket.IO'],
  ['websocket', 'WebSocket'],
  ['sse', 'SSE'],
];

/** Suggested topics; any other can be typed. */
async function loadTopics(): Promise<void> {
  const answer = await fetch('api/streams');
  const { streams = [] } = (await answer.json()) as { streams?: { name: string }[] };
  const keys = await Promise.all(
    streams.map(async ({ name }) => {
      const stream = await fetch(`api/streams/${name}`);
      const { topics: found = [] } = (await stream.json()) as { topics?: string[] };
      return [`${name}:*`, ...found];
    }),
  );
  topics.value = keys.flat().slice(0, MAX_TOPICS);
}

export function Explorer() {
  useEffect(() => {
    loadTopics().catch(() => {
      topics.value = [];
    });
  }, []);
  return (
    <div class="view explorer">
      <div class="explorer-forms">
        <SubscribeForm />
        <PublishForm />
        <datalist id="topics">
          {topics.value.map((topic) => (
            <option key={topic} value={topic} />
          ))}
        </datalist>
      </div>
      <Messages />
    </div>
  );
}

function SubscribeForm() {
  const { explorer } = usePage();
  explorer.version;
  const submit = (event: Event) => {
    event.preventDefault();
    if (explorer.running) explorer.stop();
    else explorer.start();
  };
  const { running } = explorer;
  return (
    <Panel title="Subscribe" id="subscribe">
      <form class="fields" onSubmit={submit}>
        <label class="field">
          <span>Topics, with commas between</span>
          <input
            type="text"
            id="explorer-topic"
            list="topics"
            required
            spellcheck={false}
            disabled={running}
            value={form.topic.value}
            onInput={(event) => {
              form.topic.value = event.currentTarget.value;
            }}
          />
        </label>
        <fieldset disabled={running} class="plain">
          <div class="field">
            <span>Begin</span>
            <div class="field-row">
              <Chips
                label="Begin"
                values={STARTS}
                value={form.start.value}
                onChange={(value) => {
                  form.start.value = value;
                }}
              />
              {form.start.value === 'rewind' && (
                <input
                  class="short"
                  type="number"
                  aria-label="Messages to rewind"
                  min={1}
                  max={10_000}
                  value={form.rewind.value}
                  onInput={(event) => {
                    form.rewind.value = event.currentTarget.value;
                  }}
                />
              )}
              {form.start.value === 'since' && (
                <input
                  type="text"
                  aria-label="Cursor"
                  placeholder="market.k3x9Qa.1532"
                  spellcheck={false}
                  value={form.since.value}
                  onInput={(event) => {
                    form.since.value = event.currentTarget.value;
                  }}
                />
              )}
            </div>
          </div>
          <div class="field">
            <span>Conflate</span>
            <div class="field-row">
              <label class="check">
                <input
                  type="checkbox"
                  checked={form.conflate.value}
                  onChange={(event) => {
                    form.conflate.value = event.currentTarget.checked;
                  }}
                />
                newest per key, at most
              </label>
              <input
                class="short"
                type="number"
                aria-label="Messages per second and key"
                min={0.1}
                max={1000}
                step={0.1}
                disabled={!form.conflate.value}
                value={form.maxRate.value}
                onInput={(event) => {
                  form.maxRate.value = event.currentTarget.value;
                }}
              />
              <span class="quiet">/s</span>
            </div>
          </div>
          <div class="field">
            <span>Transport</span>
            <Chips
              label="Transport"
              values={TRANSPORTS}
              value={form.transport.value}
              onChange={(value) => {
                form.transport.value = value;
              }}
            />
          </div>
        </fieldset>
        <div class="field-row">
          <button type="submit" class="primary" id="explorer-subscribe">
            {running ? 'Unsubscribe' : 'Subscribe'}
          </button>
          <p class="outcome bad" role="alert">
            {explorer.error ?? ''}
          </p>
        </div>
      </form>
    </Panel>
  );
}

function Messages() {
  const { explorer } = usePage();
  explorer.version;
  const { status, running, paused } = explorer;
  const rows = (paused ?? explorer.rows).slice(paused === undefined ? -LIVE_ROWS : -PAUSED_ROWS).reverse();
  const where = !running
    ? 'not subscribed'
    : status?.node === undefined
      ? (status?.state ?? 'connecting')
      : `${status.node} over ${transportText(status.transport)}`;
  return (
    <Panel title="Messages" id="messages" aside={<span class="quiet">{where}</span>}>
      <div class="toolbar">
        <button
          type="button"
          class="chip"
          aria-pressed={paused !== undefined}
          onClick={() => explorer.pause()}
        >
          Pause
        </button>
        <button type="button" class="chip" onClick={() => explorer.clear()}>
          Clear
        </button>
        <button
          type="button"
          class="chip"
          disabled={rows.length === 0}
          onClick={() => copy(ndjson(paused ?? explorer.rows), 'all that are kept')}
        >
          Copy all
        </button>
        <span class="hidden" role="status">
          {copied.value}
        </span>
        <Counts />
      </div>
      {rows.length === 0 ? (
        <div class="nothing">
          <p class="nothing-title">{running ? 'Nothing has come yet' : 'Subscribe to a topic'}</p>
          <p>
            {running
              ? 'The subscription is in force; messages appear here as they are published.'
              : 'A topic is stream:key, for example market:AAPL, or stream:* for the whole stream.'}
          </p>
        </div>
      ) : (
        <ol class="wire" aria-label="Messages, the newest first">
          {rows.map((row) =>
            row.kind === 'note' ? <Note key={row.n} row={row} /> : <Line key={row.n} row={row} />,
          )}
        </ol>
      )}
    </Panel>
  );
}

function Counts() {
  const { received, firstSeq, lastSeq, missing, conflated, checksOrder, rate } = usePage().explorer;
  return (
    <p class="counts" id="explorer-counts">
      <span>
        <b>{count(received)}</b> received
      </span>
      <span>{decimal(rate.perSecond(Date.now()))}/s</span>
      {firstSeq !== undefined && (
        <span>
          seq {count(firstSeq)}–{count(lastSeq)}
        </span>
      )}
      {checksOrder && received > 0 && (
        <span class={missing === 0 ? 'good' : 'bad'}>
          {missing === 0 ? '✓ none missing' : `${count(missing)} missing`}
        </span>
      )}
      {conflated > 0 && <span class="warning">{count(conflated)} conflated</span>}
    </p>
  );
}

function Note({ row }: { readonly row: Extract<Row, { kind: 'note' }> }) {
  return <li class={`wire-note ${row.tone}`}>{row.text}</li>;
}

function Line({ row }: { readonly row: Extract<Row, { kind: 'message' }> }) {
  const { n, message, cursor, epoch } = row;
  const isOpen = open.value === n;
  const text = JSON.stringify(message.data);
  return (
    <li class={`wire-line ${isOpen ? 'open' : ''}`}>
      <button
        type="button"
        class="wire-head"
        aria-expanded={isOpen}
        onClick={() => {
          open.value = isOpen ? undefined : n;
        }}
      >
        <span class="wire-n">#{n}</span>
        <span class="wire-seq">{message.seq}</span>
        <span class="wire-topic">{message.topic}</span>
        <span class="wire-time">{timeOfDay(message.time)}</span>
        <span class="wire-data">{text.length > 300 ? `${text.slice(0, 300)}…` : text}</span>
      </button>
      {isOpen && (
        <div class="wire-detail">
          <dl>
            <div>
              <dt>epoch</dt>
              <dd>{epoch}</dd>
            </div>
            <div>
              <dt>cursor</dt>
              <dd>{cursor}</dd>
            </div>
            {message.conflated !== undefined && (
              <div>
                <dt>conflated</dt>
                <dd>{message.conflated}</dd>
              </div>
            )}
          </dl>
          <pre>{JSON.stringify(message, null, 2)}</pre>
          <button type="button" class="chip" onClick={() => copy(JSON.stringify(message), `message ${n}`)}>
            Copy message
          </button>{' '}
          <button type="button" class="chip" onClick={() => copy(cursor, 'the cursor')}>
            Copy cursor
          </button>
        </div>
      )}
    </li>
  );
}

function ndjson(rows: readonly Row[]): string {
  return rows.flatMap((row) => (row.kind === 'message' ? [JSON.stringify(row.message)] : [])).join('\n');
}

async function copy(text: string, what: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    copied.value = `Copied ${what}`;
  } catch {
    copied.value = 'The browser does not let this page copy';
  }
}
