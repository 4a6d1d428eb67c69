/**
 * Metrics for Prometheus. What happens on the hot path counts in plain numbers; they are read here when somebody asks.
 * No label has values without a bound: never a topic, a user or an address.
 */
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { GateCounters } from './auth/gate.js';
import type { Hub } from './hub/hub.js';
import type { PublishCounters } from './hub/publisher.js';
import type { RedisLink } from './redis.js';
import type { Admission } from './transports/admission.js';

/** What the metrics are read from. */
export interface MetricSources {
  readonly hub: Hub;
  readonly admission: Admission;
  readonly publishing: PublishCounters;
  readonly connections: () => { readonly socketio: number; readonly websocket: number; readonly sse: number };
  readonly link: RedisLink | undefined;
  readonly version: string;
  readonly node: string;
  readonly gate: GateCounters;
  readonly revocations: { readonly count: number };
}

const LATENCY_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

const LOOP_RESOLUTION_MS = 10;

/** The monitor measures from timer to timer: what is beyond its own period is lag. */
function loopLagMs(histogram: IntervalHistogram): number {
  return Math.max(0, histogram.percentile(99) / 1e6 - LOOP_RESOLUTION_MS) || 0;
}

/** Errors by kind. */
export class ErrorCounts {
  readonly byKind = new Map<string, number>();

  count(kind: string): void {
    this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1);
  }
}

export class Metrics {
  readonly errors = new ErrorCounts();
  readonly #registry = new Registry();
  readonly #loopDelay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  readonly #delivery = this.#histogram(
    'axiom_publish_to_write_seconds',
    'Time from the commit of a message to its writing to the connections of this node.',
    [],
  );
  readonly #requests = this.#histogram('axiom_http_request_duration_seconds', 'Duration of HTTP requests.', [
    'method',
    'route',
    'status',
  ]);

  constructor() {
    this.#loopDelay.enable();
  }

  /** One message came in `ms` after its commit. */
  delivered(ms: number): void {
    this.#delivery.observe(Math.max(0, ms) / 1000);
  }

  /** One HTTP request was answered. `route` is the pattern, never the path. */
  request(method: string, route: string, status: number, ms: number): void {
    this.#requests.observe({ method, route, status: String(status) }, ms / 1000);
  }

  /** 99th percentile of the event loop's delay since the last call, ms. */
  takeLoopLagMs(): number {
    const lag = loopLagMs(this.#loopDelay);
    this.#loopDelay.reset();
    return lag;
  }

  /** Says where the figures come from. Once. */
  observe(sources: MetricSources): void {
    const { hub, admission, publishing, connections, link, version, node, gate, revocations } = sources;
    this.#gauge('axiom_build_info', 'Version of the hub, in its label.', ['version', 'node'], (set) => {
      set({ version, node }, 1);
    });
    this.#gauge('axiom_connections', 'Open connections by transport.', ['transport'], (set) => {
      for (const [transport, count] of Object.entries(connections())) set({ transport }, count);
    });
    this.#gauge(
      'axiom_subscriptions',
      'Topics that connections read, each counted per connection.',
      [],
      (set) => {
        let sum = 0;
        for (const subscriber of hub.subscribers.values()) sum += subscriber.topicCount;
        set({}, sum);
      },
    );
    this.#counter(
      'axiom_messages_published_total',
      'Messages that this node committed.',
      ['stream'],
      (set) => {
        for (const stream of hub.streams.keys()) set({ stream }, publishing.published.get(stream) ?? 0);
      },
    );
    this.#counter('axiom_messages_refused_total', 'Publications that were refused.', ['reason'], (set) => {
      for (const [reason, count] of publishing.refused) set({ reason }, count);
    });
    this.#counter(
      'axiom_messages_received_total',
      'Messages that this node took from the log.',
      ['stream'],
      (set) => {
        for (const [stream, count] of hub.counters.received) set({ stream }, count);
      },
    );
    this.#counter('axiom_messages_delivered_total', 'Messages written to connections.', ['stream'], (set) => {
      for (const [stream, { fanout }] of hub.streams) set({ stream }, fanout.delivered);
    });
    this.#counter(
      'axiom_recoveries_total',
      'Topics that were to be resumed, by verdict.',
      ['result'],
      (set) => {
        for (const [result, count] of hub.counters.recoveries) set({ result }, count);
      },
    );
    this.#counter(
      'axiom_messages_conflated_total',
      'Messages that were folded into a newer one for a connection.',
      ['stream'],
      (set) => {
        for (const [stream, { fanout }] of hub.streams) set({ stream }, fanout.counts.conflated);
      },
    );
    this.#counter(
      'axiom_messages_dropped_total',
      'Messages that a slow connection was told it would not get.',
      ['class'],
      (set) => {
        for (const [streamClass, count] of droppedByClass(hub)) set({ class: streamClass }, count);
      },
    );
    this.#counter('axiom_slow_consumers_total', 'Connections that read too slowly.', ['action'], (set) => {
      for (const [action, count] of Object.entries(hub.counters.slowConsumers)) set({ action }, count);
    });
    this.#gauge('axiom_slow_connections', 'Connections that are above their budget now.', [], (set) => {
      set({}, hub.slow.size);
    });
    this.#counter('axiom_gap_fills_total', 'Gaps that this node filled from the log.', [], (set) => {
      set({}, hub.counters.gapFills);
    });
    this.#gauge('axiom_backfills', 'Connections that are being brought up to date.', ['state'], (set) => {
      set({ state: 'running' }, hub.backfills.taken);
      set({ state: 'waiting' }, hub.backfills.waiting);
    });
    this.#counter(
      'axiom_handshakes_refused_total',
      'New connections that were answered with 503.',
      ['reason'],
      (set) => {
        for (const [reason, count] of Object.entries(admission.refused)) set({ reason }, count);
      },
    );
    this.#counter('axiom_log_range_reads_total', 'Reads of the log for recoveries.', [], (set) => {
      set({}, hub.pages.reads);
    });
    this.#counter(
      'axiom_epoch_changes_total',
      'Changes of a stream’s epoch that this node saw.',
      [],
      (set) => {
        set({}, hub.counters.epochChanges);
      },
    );
    this.#counter('axiom_lost_messages_total', 'Messages trimmed before this node had them.', [], (set) => {
      set({}, hub.counters.lostMessages);
    });
    this.#gauge('axiom_window_bytes', 'Recent messages in memory.', ['stream'], (set) => {
      for (const [stream, { tail }] of hub.streams) set({ stream }, tail.window.bytes);
    });
    this.#counter('axiom_errors_total', 'Errors by kind.', ['kind'], (set) => {
      for (const [kind, count] of this.errors.byKind) set({ kind }, count);
    });
    this.#counter('axiom_limits_refused_total', 'What was refused for a limit.', ['limit'], (set) => {
      for (const [limit, count] of gate.refused) set({ limit }, count);
    });
    this.#counter(
      'axiom_connections_ended_total',
      'Connections that were ended for their token, or for the lack of one.',
      ['reason'],
      (set) => {
        for (const [reason, count] of gate.ended) set({ reason }, count);
      },
    );
    this.#counter('axiom_tokens_total', 'Tokens and keys that came in, by outcome.', ['result'], (set) => {
      for (const [result, count] of Object.entries(gate.tokens)) set({ result }, count);
    });
    this.#gauge('axiom_revocations', 'Revocations in force.', [], (set) => set({}, revocations.count));
    this.#gauge('axiom_draining', '1 while the node is being shut down.', [], (set) =>
      set({}, hub.draining ? 1 : 0),
    );
    if (link !== undefined) {
      this.#gauge('axiom_redis_up', '1 while Redis answers on both connections.', [], (set) =>
        set({}, link.up ? 1 : 0),
      );
      this.#gauge('axiom_redis_ping_seconds', 'Round trip of the last probe.', [], (set) => {
        set({}, link.pingMs / 1000);
      });
      this.#counter('axiom_redis_reconnects_total', 'Attempts to connect again.', [], (set) => {
        set({}, link.reconnects);
      });
    }
    this.#gauge('process_resident_memory_bytes', 'Resident memory.', [], (set) =>
      set({}, process.memoryUsage.rss()),
    );
    this.#gauge('nodejs_heap_used_bytes', 'Used heap.', [], (set) => set({}, process.memoryUsage().heapUsed));
    this.#counter('process_cpu_seconds_total', 'User and system CPU time.', [], (set) => {
      const { user, system } = process.cpuUsage();
      set({}, (user + system) / 1e6);
    });
    this.#gauge(
      'process_start_time_seconds',
      'Start of the process, seconds since the Unix epoch.',
      [],
      (set) => {
        set({}, (Date.now() - process.uptime() * 1000) / 1000);
      },
    );
    const lag = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    lag.enable();
    this.#gauge('nodejs_eventloop_lag_p99_seconds', 'Delay of the event loop since the start.', [], (set) => {
      set({}, loopLagMs(lag) / 1000);
    });
  }

  /** The text that Prometheus reads. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  #histogram(name: string, help: string, labelNames: string[]): Histogram {
    return new Histogram({ name, help, labelNames, buckets: LATENCY_BUCKETS_S, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, labelNames: string[], collect: Collect): void {
    const gauge: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        gauge.reset();
        collect((labels, value) => gauge.set(labels, value));
      },
    });
  }

  #counter(name: string, help: string, labelNames: string[], collect: Collect): void {
    const counter: Counter = new Counter({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect: () => {
        counter.reset();
        collect((labels, value) => counter.inc(labels, value));
      },
    });
  }
}

function droppedByClass(hub: Hub): Map<string, number> {
  const dropped = new Map<string, number>();
  for (const { config, fanout } of hub.streams.values()) {
    dropped.set(config.class, (dropped.get(config.class) ?? 0) + fanout.counts.dropped);
  }
  return dropped;
}

type Collect = (set: (labels: Record<string, string>, value: number) => void) => void;
