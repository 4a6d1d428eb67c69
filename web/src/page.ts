/** The page: messages go to the panel of their stream, events of the connection to those who show them. */
import { parseCursor } from '../../server/protocol/cursor.js';
import type { DegradedInfo, GapInfo, Message, WelcomeInfo } from '../../server/protocol/message.js';
import { parseTopic } from '../../server/protocol/topic.js';
import { Connection, type ConnectionListener, type Status } from './connection.js';
import { messages } from './format.js';
import { type Gap, GapReport } from './gap-report.js';
import { HubClock } from './hub-clock.js';
import { type Paintable, Painter } from './painter.js';
import { ConnectionPanel } from './panels/connection-panel.js';
import { HistoryPanel } from './panels/history.js';
import { NewsPanel } from './panels/news.js';
import { NodesPanel } from './panels/nodes.js';
import { Notices } from './panels/notices.js';
import type { Panel } from './panels/panel.js';
import { PortfolioPanel } from './panels/portfolio.js';
import { PricesPanel } from './panels/prices.js';
import { SignalsPanel } from './panels/signals.js';
import { StreamsPanel } from './panels/streams.js';
import { StreamRecord } from './stream-record.js';
import { reasonText } from './words.js';

/** How one stream is shown. `take` answers whether there is something to paint. */
interface Shown {
  readonly panel: Panel & Paintable;
  readonly take: (message: Message, key: string, arrivedAt: number) => boolean;
}

export class Page implements ConnectionListener {
  readonly #clock = new HubClock();
  readonly #painter = new Painter();
  readonly #records = new Map<string, StreamRecord>();
  readonly #gaps = new GapReport();
  readonly #connectionPanel = new ConnectionPanel();
  readonly #history = new HistoryPanel();
  readonly #notices = new Notices();
  readonly #streams = new StreamsPanel();
  readonly #nodes = new NodesPanel();
  readonly #shown: ReadonlyMap<string, Shown>;
  readonly #connection: Connection;
  #status: Status | undefined;
  #greeted = false;

  constructor() {
    const prices = new PricesPanel();
    const news = new NewsPanel();
    const portfolio = new PortfolioPanel();
    const signals = new SignalsPanel();
    const nodes = this.#nodes;
    this.#shown = new Map<string, Shown>([
      ['market', { panel: prices, take: (message, key) => prices.take(message, key) }],
      ['news', { panel: news, take: (message, _key, at) => news.take(message, at) }],
      ['portfolio', { panel: portfolio, take: (message) => portfolio.take(message) }],
      ['signals', { panel: signals, take: (message, key) => signals.take(message, key) }],
      ['system', { panel: nodes, take: (message, _key, at) => nodes.take(message, at) }],
    ]);
    this.#connection = new Connection({
      streams: [...this.#shown.keys()],
      clock: this.#clock,
      listener: this,
    });
  }

  start(): void {
    // Rates fall and ages grow while nothing comes.
    setInterval(() => {
      this.#painter.request(this.#streams);
      this.#painter.request(this.#nodes);
    }, 1000);
    this.#connection.open();
  }

  statusChanged(status: Status): void {
    const before = this.#status;
    this.#status = status;
    this.#connectionPanel.show(status);
    if (status.state === 'connected' || status.state === 'catching-up') {
      this.#notices.clear('connection');
      if (
        before?.transport === 'polling' &&
        status.transport === 'websocket' &&
        before.since === status.since
      ) {
        this.#history.add('upgraded from polling to websocket');
      }
    }
    this.#nodes.serves(status.node);
  }

  welcomed(info: WelcomeInfo, resumes: boolean): void {
    this.#history.add(`connected to ${info.node} over ${this.#status?.transport ?? 'an unknown transport'}`);
    for (const { name, class: streamClass } of info.streams) {
      if (!this.#records.has(name)) this.#records.set(name, new StreamRecord(name, streamClass));
    }
    this.#streams.show(this.#records.values(), (name) => this.#shown.has(name));
    for (const [name, { panel }] of this.#shown) {
      const isOffered = info.streams.some((stream) => stream.name === name);
      panel.explain(isOffered ? 'Waiting for messages.' : `This hub has no stream “${name}”.`);
    }
    if (resumes) {
      this.#connectionPanel.recovered('yes', '');
    } else if (this.#greeted) {
      const reason = info.reason === undefined ? '' : ` (${reasonText(info.reason)})`;
      const lost = (info.topics ?? []).filter(({ recovered }) => recovered === false);
      const which = lost.map(({ topic, reason: why }) => `${topic}: ${reasonText(why)}`).join('; ');
      this.#connectionPanel.recovered(`no${reason}`, 'not resumed, newest read again');
      this.#history.add(`not resumed${reason}${which === '' ? '' : `: ${which}`}`);
    } else {
      this.#connectionPanel.recovered('first connection', '');
      this.#notices.allIsWell();
    }
    this.#greeted = true;
  }

  subscribed(topics: readonly string[], cursor: string): void {
    this.#notices.clear('subscribe');
    this.#at(cursor);
    for (const record of this.#records.values()) record.leniency = 'rewind';
    this.#history.add(`subscribed to ${topics.join(', ')}`);
  }

  subscriptionRefused(message: string, retryInMs: number | undefined): void {
    const again = retryInMs === undefined ? '' : ` Trying again in ${retryInMs / 1000} s.`;
    const end = /[.!?]$/.test(message) ? '' : '.';
    this.#notices.show('subscribe', {
      level: 'error',
      text: `The hub refused the subscription: ${message}${end}${again}`,
    });
    this.#history.add(`subscription refused: ${message}`);
  }

  caughtUp(missed: number): void {
    const text = `resumed: ${messages(missed)} caught up`;
    this.#connectionPanel.recovered(`yes, ${messages(missed)}`, text);
    this.#history.add(text);
  }

  message(message: Message, isLive: boolean, arrivedAt: number): void {
    const topic = parseTopic(message.topic);
    const record = topic === undefined ? undefined : this.#records.get(topic.stream);
    if (topic === undefined || record === undefined) return;
    const { isNew, skipped } = record.take(message.seq);
    if (skipped > 0) this.#skipped(record, message.seq, skipped);
    if (isLive) record.rate.add(arrivedAt);
    this.#painter.request(this.#streams);
    if (!isNew) return;
    const shown = this.#shown.get(topic.stream);
    const at = isLive ? arrivedAt : Math.min(arrivedAt, this.#clock.localTime(message.time));
    if (shown?.take(message, topic.key, at)) this.#painter.request(shown.panel);
  }

  position(cursor: string): void {
    this.#at(cursor);
    for (const record of this.#records.values()) record.leniency = undefined;
    for (const { panel } of this.#shown.values()) {
      if (this.#isOffered(panel)) panel.explain('No messages yet. The feeds may be off.');
    }
    this.#painter.request(this.#streams);
  }

  gap(info: GapInfo): void {
    const record = this.#records.get(info.stream);
    if (record !== undefined) {
      record.at(info);
      if (info.to === undefined) record.leniency ??= 'announced';
      else record.skipTo(info.to);
    }
    this.#announce(info);
  }

  degraded({ degraded, reason }: DegradedInfo): void {
    const text = reasonText(reason);
    this.#history.add(degraded ? `degraded: ${text}` : 'no longer degraded');
    if (degraded) {
      this.#notices.show('degraded', {
        level: 'warning',
        text:
          reason === 'slow'
            ? `Degraded: ${text}. Until it has caught up, only the newest values are shown.`
            : `Degraded: ${text}. Until it is back, what is shown here may be out of date.`,
      });
    } else {
      this.#notices.clear('degraded');
    }
  }

  draining(): void {
    this.#history.add('the node is restarting, moving to another');
    this.#notices.show('connection', {
      level: 'info',
      text: `${this.#status?.node ?? 'The node'} is restarting. This page moves to another node and resumes there.`,
    });
  }

  lost(reason: string): void {
    this.#history.add(`connection lost: ${reason}`);
    this.#connectionPanel.recovered('waiting', '');
    if (this.#status?.state !== 'moving') {
      this.#notices.show('connection', {
        level: 'warning',
        text: `The connection is lost (${reason}). Reconnecting by itself; what is shown here is not live.`,
      });
    }
    // A new connection is told anew.
    this.#notices.clear('degraded');
    this.#notices.clear('subscribe');
  }

  unreachable(reason: string): void {
    this.#notices.show('connection', {
      level: 'error',
      text: `The hub cannot be reached: ${reason}. Trying again by itself; what is shown here is not live.`,
    });
  }

  closed(reason: string): void {
    this.#notices.show('connection', {
      level: 'error',
      text: `The connection was ended and is not made again by itself: ${reason}.`,
      action: { label: 'Connect', run: () => this.#connection.open() },
    });
  }

  /** Seqs were left out before this message. */
  #skipped(record: StreamRecord, seq: number, skipped: number): void {
    const range = { stream: record.name, from: seq - skipped, to: seq - 1 };
    if (record.leniency === 'rewind') this.#announce({ ...range, reason: 'not_replayed' });
    else if (record.leniency === undefined) this.#announce({ ...range, reason: 'unannounced' });
  }

  #announce(gap: Gap): void {
    const { key, text } = this.#gaps.add(gap);
    this.#notices.show(key, {
      level: 'warning',
      text: `Gap in ${text}`,
      onDismiss: () => this.#gaps.forget(key),
    });
    this.#history.add(`gap in ${text}`);
  }

  #at(cursor: string): void {
    for (const [stream, position] of parseCursor(cursor) ?? []) this.#records.get(stream)?.at(position);
  }

  #isOffered(panel: Panel): boolean {
    return this.#records.has(panel.section.id);
  }
}
