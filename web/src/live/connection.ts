/** The page's connection, as the head of the page and the connection panel show it. */

import type { DemoStreams, Gap, HubClient, Recovery, Status } from '@axiom-streaming/client';
import type { DegradedInfo } from '@axiom-streaming/protocol/message';
import { count, messages } from './format.js';
import { Painted } from './painter.js';
import { reasonText, transportText } from './words.js';

const MAX_EVENTS = 100;

/** `good`: nothing was lost. `bad`: something was. */
export type Tone = 'calm' | 'good' | 'warning' | 'bad';

/** Something that happened to the connection. */
export interface ConnectionEvent {
  readonly id: number;
  readonly at: number;
  readonly tone: Tone;
  readonly text: string;
}

/** The client, as this page uses it. */
export type Hub = HubClient<DemoStreams>;

/** The state and history of a connection, in words. */
export class ConnectionStore extends Painted {
  status: Status;
  recovery: Recovery | undefined;
  degraded: DegradedInfo | undefined;
  gaps = 0;
  readonly events: ConnectionEvent[] = [];
  /** Keyed by reason and stream. */
  readonly #degraded = new Map<string, DegradedInfo>();
  #nextId = 1;

  constructor(hub: Hub) {
    super();
    this.status = hub.status;
    hub.on('status', (status) => this.#statusChanged(status));
    hub.on('recovered', (recovery) => this.#recovered(recovery));
    hub.on('gap', (gap) => this.gap(gap));
    hub.on('degraded', (info) => {
      for (const stream of info.streams) {
        const key = `${info.reason} ${stream}`;
        if (info.degraded) this.#degraded.set(key, info);
        else this.#degraded.delete(key);
      }
      // It may have ended for one stream and continue for another.
      this.degraded = [...this.#degraded.values()].at(-1);
      this.add(info.degraded ? 'warning' : 'good', degradedText(info));
    });
    hub.on('drain', () => this.add('calm', `${this.status.node ?? 'The node'} is restarting, moving on`));
  }

  add(tone: Tone, text: string): void {
    this.events.unshift({ id: this.#nextId++, at: Date.now(), tone, text });
    this.events.length = Math.min(this.events.length, MAX_EVENTS);
    this.changed();
  }

  gap(gap: Gap): void {
    this.gaps += 1;
    this.add('bad', gapText(gap));
  }

  #statusChanged(status: Status): void {
    const before = this.status;
    this.status = status;
    if (status.state === 'connected' && before.state !== 'recovering') {
      this.add('good', `Connected to ${status.node ?? 'the hub'} over ${transportText(status.transport)}`);
    } else if (status.state === 'reconnecting' && before.state !== 'reconnecting') {
      this.#degraded.clear();
      this.degraded = undefined;
      this.add('warning', `Connection to ${before.node ?? 'the hub'} lost`);
    } else if (status.state === 'refused' && before.state !== 'refused') {
      this.add('bad', `Refused: ${status.error?.message ?? 'without a reason'}`);
    } else if (status.state === 'closed') {
      this.add('bad', `Closed: ${status.error?.message ?? 'by this page'}`);
    }
    this.changed();
  }

  #recovered(recovery: Recovery): void {
    this.recovery = recovery;
    this.add(recovery.recovered ? 'good' : 'bad', recoveryText(recovery));
  }
}

/** `Resumed on node2: 412 messages caught up, nothing lost`. */
export function recoveryText({ recovered, missed, awayMs, node, transport }: Recovery): string {
  const where = `on ${node} over ${transportText(transport)} after ${(awayMs / 1000).toFixed(1)} s`;
  if (!recovered) return `Back ${where}, but not everything could be resumed; ${messages(missed)} caught up`;
  return `Resumed ${where}: ${messages(missed)} caught up, nothing lost`;
}

function degradedText({ degraded, reason }: DegradedInfo): string {
  return degraded ? `Degraded: ${reasonText(reason)}` : 'No longer degraded';
}

/** A gap as a sentence. */
export function gapText({ stream, from, to, reason }: Gap): string {
  const what =
    from === undefined || to === undefined
      ? 'messages are missing'
      : `${messages(to - from + 1)} missing, seq ${count(from)} to ${count(to)}`;
  return `Gap in ${stream}: ${what}; ${reasonText(reason)}`;
}
