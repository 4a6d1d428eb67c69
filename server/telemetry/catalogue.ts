/**
 * The metrics, in one table; a spec checks that README's table is the same. Names, units and types follow the
 * conventions of Prometheus. Every label has a bounded set of values: never a topic, a user or an address.
 */

/** What a metric is; `sources.ts` says where its values come from. */
export interface MetricDefinition {
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

function define<const T extends MetricDefinition['type']>(type: T) {
  return <const L extends readonly string[]>(labels: L, help: string) => ({ type, labels, help });
}

const counter = define('counter');
const gauge = define('gauge');
const histogram = define('histogram');

/** Every metric, in the order of the README. */
export const METRICS = {
  axiom_build_info: gauge(['version', 'node'], 'Version and name of the node, as labels.'),
  axiom_connections: gauge(['transport'], 'Open connections.'),
  axiom_subscriptions: gauge([], 'Topics that connections read, each counted per connection.'),
  axiom_disconnects_total: counter(
    ['code'],
    'Connections that ended, by the name of the close code; `client`: ended by the client or the network.',
  ),
  axiom_connections_ended_total: counter(
    ['reason'],
    'Connections that the hub ended because of their token, or because they had none.',
  ),
  axiom_handshakes_refused_total: counter(['reason'], 'New connections that were answered with 503.'),
  axiom_messages_published_total: counter(['stream', 'class'], 'Messages that this node committed.'),
  axiom_messages_refused_total: counter(['reason'], 'Publications that were refused.'),
  axiom_publish_duration_seconds: histogram([], 'Time from a publication to its commit in the log.'),
  axiom_messages_received_total: counter(['stream', 'class'], 'Messages that this node read from the log.'),
  axiom_messages_delivered_total: counter(['stream', 'class'], 'Messages written to connections.'),
  axiom_messages_conflated_total: counter(
    ['stream', 'class'],
    'Messages that a newer one replaced before they were written to a connection.',
  ),
  axiom_messages_dropped_total: counter(
    ['stream', 'class'],
    'Messages that a slow connection did not get, and was told so.',
  ),
  axiom_delivery_latency_seconds: histogram(
    [],
    'Time from the commit of a message to its fan-out by this node.',
  ),
  axiom_slow_consumers_total: counter(['action'], 'Connections that read too slowly, by the action taken.'),
  axiom_slow_connections: gauge([], 'Connections that are above their budget at the moment.'),
  axiom_recoveries_total: counter(['result'], 'Topics that clients asked to resume, by verdict.'),
  axiom_backfills: gauge(['state'], 'Connections that are catching up.'),
  axiom_gap_fills_total: counter([], 'Gaps that this node filled from the log.'),
  axiom_log_range_reads_total: counter([], 'Reads of the log for recoveries.'),
  axiom_lost_messages_total: counter([], 'Messages trimmed before this node had them.'),
  axiom_epoch_rotations_total: counter([], 'Epochs that this node began because the log had lost data.'),
  axiom_epoch_changes_total: counter([], 'Changes of a stream’s epoch that this node saw.'),
  axiom_window_bytes: gauge(['stream'], 'Recent messages in memory.'),
  axiom_tokens_total: counter(['result'], 'Tokens and keys that clients presented.'),
  axiom_auth_failures_total: counter(['reason'], 'Tokens and keys that were refused, by error code.'),
  axiom_limits_refused_total: counter(['limit'], 'Refusals because of a limit.'),
  axiom_work_units_total: counter(['kind'], 'Work that clients caused, in units of a plain request.'),
  axiom_unread_answers_bytes: gauge([], 'Bytes of answers over HTTP that their clients have not read.'),
  axiom_unread_answers_cut_total: counter(
    [],
    'Connections that were cut because they did not read their answers.',
  ),
  axiom_revocations: gauge([], 'Revocations in force.'),
  axiom_http_request_duration_seconds: histogram(
    ['method', 'route', 'status'],
    'Duration of HTTP requests, without event streams.',
  ),
  axiom_errors_total: counter(['kind'], 'Errors that were answered or logged.'),
  axiom_redis_up: gauge([], '1 while Redis answers on both connections.'),
  axiom_redis_writes_refused: gauge(['cause'], '1 while Redis answers reads and refuses writes, by cause.'),
  axiom_redis_ping_seconds: gauge([], 'Round trip of the last probe.'),
  axiom_redis_reconnects_total: counter([], 'Attempts to reconnect.'),
  axiom_draining: gauge([], '1 while the node is being shut down.'),
  nodejs_eventloop_lag_p99_seconds: gauge([], 'Delay of the event loop over the last 15 to 30 seconds.'),
  nodejs_gc_duration_seconds: histogram(['kind'], 'Pauses of the garbage collector.'),
  nodejs_heap_used_bytes: gauge([], 'Used heap.'),
  nodejs_external_memory_bytes: gauge([], 'Memory of buffers outside the heap.'),
  process_resident_memory_bytes: gauge([], 'Resident memory.'),
  process_cpu_seconds_total: counter([], 'User and system CPU time.'),
  process_start_time_seconds: gauge([], 'Start of the process, seconds since the Unix epoch.'),
} as const satisfies Record<string, MetricDefinition>;

/** The metrics of one type. */
export type MetricOf<T extends MetricDefinition['type']> = {
  [Name in keyof typeof METRICS]: (typeof METRICS)[Name]['type'] extends T ? Name : never;
}[keyof typeof METRICS];

/** The labels of a metric, each with a value. */
export type LabelsOf<Name extends keyof typeof METRICS> = Record<
  (typeof METRICS)[Name]['labels'][number],
  string
>;
