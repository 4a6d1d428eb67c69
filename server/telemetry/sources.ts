/** Where the values come from: one reader for each metric that is read at a scrape. */
import type { TransportName } from '@axiom-streaming/protocol/transports';
import type { GateCounters } from '../auth/gate.js';
import type { Hub, HubStream } from '../hub/hub.js';
import type { PublishCounters } from '../hub/operations/publisher.js';
import type { RedisLink } from '../redis/redis-link.js';
import type { Admission } from '../transports/admission.js';
import type { LabelsOf, MetricOf } from './catalogue.js';

/** What the metrics are read from. */
export interface MetricSources {
  readonly hub: Hub;
  readonly admission: Admission;
  readonly publishing: PublishCounters;
  readonly connections: () => Readonly<Record<TransportName, number>>;
  readonly link: RedisLink | undefined;
  readonly version: string;
  readonly node: string;
  readonly gate: GateCounters;
  readonly revocations: { readonly count: number };
  /** Answers over HTTP that their clients do not read. */
  readonly unread: { readonly bytes: number; readonly cut: number };
}

/** When the process began, seconds since the Unix epoch. Taken once, because two readings would differ slightly. */
const STARTED_S = Math.round(Date.now() / 1000 - process.uptime());

/** Values that only the `Metrics` object has. */
export interface OwnSources {
  readonly errors: ReadonlyMap<string, number>;
  readonly loopLagMs: () => number;
}

/** The metrics that are read at a scrape; histograms are observed when something happens. */
export type ReadMetric = MetricOf<'counter' | 'gauge'>;

/** Sets a metric's values. */
export type Readers = { [Name in ReadMetric]?: (set: Setter<Name>) => void };
export type Setter<Name extends ReadMetric> = (labels: LabelsOf<Name>, value: number) => void;

/** One reader for each metric; those of Redis are left out if there is none. */
export function readers(sources: MetricSources, own: OwnSources): Readers {
  const { link } = sources;
  return {
    ...hubReaders(sources),
    ...processReaders(own),
    ...(link === undefined ? {} : redisReaders(link)),
  };
}

function hubReaders(sources: MetricSources): Readers {
  const { hub, admission, publishing, connections, version, node, gate, revocations, unread } = sources;
  return {
    axiom_build_info: (set) => set({ version, node }, 1),
    axiom_connections: (set) => {
      for (const [transport, count] of Object.entries(connections())) set({ transport }, count);
    },
    axiom_subscriptions: (set) => set({}, hub.counters.subscriptions),
    axiom_disconnects_total: (set) => each(hub.counters.disconnects, (code, count) => set({ code }, count)),
    axiom_connections_ended_total: (set) => each(gate.ended, (reason, count) => set({ reason }, count)),
    axiom_handshakes_refused_total: (set) => {
      for (const [reason, count] of Object.entries(admission.overloads)) set({ reason }, count);
    },
    axiom_messages_published_total: (set) =>
      byStream(hub, set, ({ config }) => publishing.published.get(config.name) ?? 0),
    axiom_messages_refused_total: (set) =>
      each(publishing.refused, (reason, count) => set({ reason }, count)),
    axiom_messages_received_total: (set) =>
      byStream(hub, set, ({ config }) => hub.counters.received.get(config.name) ?? 0),
    axiom_messages_delivered_total: (set) => byStream(hub, set, ({ fanout }) => fanout.delivered),
    axiom_messages_conflated_total: (set) => byStream(hub, set, ({ fanout }) => fanout.counts.conflated),
    axiom_messages_dropped_total: (set) => byStream(hub, set, ({ fanout }) => fanout.counts.dropped),
    axiom_slow_consumers_total: (set) => {
      for (const [action, count] of Object.entries(hub.counters.slowConsumers)) set({ action }, count);
    },
    axiom_slow_connections: (set) => set({}, hub.slow.size),
    axiom_recoveries_total: (set) => each(hub.counters.recoveries, (result, count) => set({ result }, count)),
    axiom_backfills: (set) => {
      set({ state: 'running' }, hub.recovery.backfills.running);
      set({ state: 'waiting' }, hub.recovery.backfills.waiting);
    },
    axiom_gap_fills_total: (set) => set({}, hub.counters.gapFills),
    axiom_log_range_reads_total: (set) => set({}, hub.recovery.rangeReads),
    axiom_lost_messages_total: (set) => set({}, hub.counters.lostMessages),
    axiom_epoch_rotations_total: (set) => set({}, hub.counters.epochRotations),
    axiom_epoch_changes_total: (set) => set({}, hub.counters.epochChanges),
    axiom_window_bytes: (set) => {
      for (const [stream, { tail }] of hub.streams) set({ stream }, tail.window.bytes);
    },
    axiom_tokens_total: (set) => {
      for (const [result, count] of Object.entries(gate.tokens)) set({ result }, count);
    },
    axiom_auth_failures_total: (set) => each(gate.failures, (reason, count) => set({ reason }, count)),
    axiom_limits_refused_total: (set) => each(gate.refused, (limit, count) => set({ limit }, count)),
    axiom_work_units_total: (set) => each(gate.costs, (kind, units) => set({ kind }, units)),
    axiom_unread_answers_bytes: (set) => set({}, unread.bytes),
    axiom_unread_answers_cut_total: (set) => set({}, unread.cut),
    axiom_revocations: (set) => set({}, revocations.count),
    axiom_draining: (set) => set({}, hub.draining ? 1 : 0),
  };
}

function processReaders(own: OwnSources): Readers {
  return {
    axiom_errors_total: (set) => each(own.errors, (kind, count) => set({ kind }, count)),
    nodejs_eventloop_lag_p99_seconds: (set) => set({}, own.loopLagMs() / 1000),
    nodejs_heap_used_bytes: (set) => set({}, process.memoryUsage().heapUsed),
    nodejs_external_memory_bytes: (set) => set({}, process.memoryUsage().external),
    process_resident_memory_bytes: (set) => set({}, process.memoryUsage.rss()),
    process_cpu_seconds_total: (set) => {
      const { user, system } = process.cpuUsage();
      set({}, (user + system) / 1e6);
    },
    process_start_time_seconds: (set) => set({}, STARTED_S),
  };
}

function redisReaders(link: RedisLink): Readers {
  return {
    axiom_redis_up: (set) => set({}, link.up ? 1 : 0),
    axiom_redis_writes_refused: (set) => {
      for (const [cause, refused] of link.writes.causes) set({ cause }, refused ? 1 : 0);
    },
    axiom_redis_ping_seconds: (set) => set({}, link.pingMs / 1000),
    axiom_redis_reconnects_total: (set) => set({}, link.reconnects),
  };
}

function byStream(
  hub: Hub,
  set: (labels: { stream: string; class: string }, value: number) => void,
  count: (stream: HubStream) => number,
): void {
  for (const stream of hub.streams.values()) {
    const { name, class: streamClass } = stream.config;
    set({ stream: name, class: streamClass }, count(stream));
  }
}

function each(counts: ReadonlyMap<string, number>, set: (label: string, count: number) => void): void {
  for (const [label, count] of counts) set(label, count);
}
