import type { HubMessage } from '@axiom-streaming/client';
import { numberOf, textOf } from '../../live/fields.js';
import { Latency } from '../../live/latency.js';
import { Painted } from '../../live/painter.js';
import type { StreamStore } from '../../live/stream-store.js';

const MAX_NODES = 64;
/** Reports of a node that are kept for the charts: ten minutes of one every two seconds. */
const KEPT = 300;
/** A node without a report for this time is shown as silent. */
export const SILENT_AFTER_MS = 10_000;

/** One report of a node, as the charts need it. */
export interface Sample {
  /** s since the Unix epoch */
  readonly at: number;
  readonly received: number | undefined;
  readonly delivered: number | undefined;
  readonly lagMs: number | undefined;
  readonly redisMs: number | undefined;
}

export interface NodeState {
  readonly name: string;
  data: unknown;
  seq: number;
  /** When its last report arrived, by this page's clock, ms. */
  reportedAt: number;
  readonly samples: Sample[];
}

/** The newest report of each node, and those of the last minutes. */
export class SystemStore extends Painted implements StreamStore {
  readonly nodes = new Map<string, NodeState>();
  readonly latency = new Latency();
  source: string | undefined;

  take({ topic, seq, time, data }: HubMessage, isLive: boolean): void {
    const name = textOf(data, 'node') ?? topic.slice(topic.indexOf(':') + 1);
    if (numberOf(data, 'cpuPercent') === undefined) return;
    let node = this.nodes.get(name);
    if (node === undefined) {
      if (this.nodes.size >= MAX_NODES) return;
      node = { name, data, seq: 0, reportedAt: 0, samples: [] };
      this.nodes.set(name, node);
    }
    if (seq <= node.seq) return;
    node.seq = seq;
    node.data = data;
    node.reportedAt = isLive ? Math.min(Date.now(), Math.max(time, Date.now() - 600_000)) : time;
    node.samples.push({
      at: Math.round(time / 1000),
      received: numberOf(data, 'receivedPerSecond'),
      delivered: numberOf(data, 'deliveredPerSecond'),
      lagMs: numberOf(data, 'eventLoopLagMs'),
      redisMs: numberOf(data, 'redisPingMs'),
    });
    if (node.samples.length > KEPT) node.samples.shift();
    this.source = textOf(data, 'source');
    this.changed();
  }

  reset(): void {
    for (const node of this.nodes.values()) node.seq = 0;
  }
}
