import { dashboard } from './dashboard.js';
import { areas, lines, type Row, stat } from './panels.js';

const HERE = 'instance="$node"';
const rate = (metric: string, by?: string) =>
  `sum${by === undefined ? '' : ` by (${by})`} (rate(${metric}{${HERE}}[$__rate_interval]))`;
const quantile = (q: number, metric: string, by = 'le') =>
  `histogram_quantile(${q}, sum by (${by}) (rate(${metric}_bucket{${HERE}}[$__rate_interval])))`;

const STATE: Row = {
  title: '$node',
  panels: [
    stat(
      {
        title: 'State',
        description: 'Whether the node serves, is draining, or has no connection to Redis.',
        queries: [
          {
            expr: `up{job="axiom", ${HERE}} * on () group_left () (1 + (sum(axiom_draining{${HERE}}) or vector(0)) + 2 * (sum(1 - axiom_redis_up{${HERE}}) or vector(0)))`,
            legend: 'state',
          },
        ],
        unit: 'short',
      },
      {
        mappings: [
          {
            type: 'value',
            options: {
              '0': { text: 'down', color: 'red', index: 0 },
              '1': { text: 'serves', color: 'green', index: 1 },
              '2': { text: 'stops', color: 'orange', index: 2 },
              '3': { text: 'without Redis', color: 'red', index: 3 },
              '4': { text: 'stops, without Redis', color: 'red', index: 4 },
            },
          },
        ],
      },
    ),
    stat(
      {
        title: 'Version',
        description: 'Version of the hub on this node.',
        queries: [{ expr: `axiom_build_info{${HERE}}`, legend: '{{version}}' }],
        unit: 'short',
      },
      { nameOnly: true },
    ),
    stat({
      title: 'Runs since',
      description: 'Time since the start of the process.',
      queries: [{ expr: `time() - process_start_time_seconds{job="axiom", ${HERE}}`, legend: 'up' }],
      unit: 's',
      thresholds: { warn: 900, bad: 60 },
    }),
    stat({
      title: 'Share of the connections',
      description: 'Of all connections of the cluster; with three nodes an even share is a third.',
      queries: [
        {
          expr: `sum(instance:axiom_connections:sum{${HERE}}) / clamp_min(sum(instance:axiom_connections:sum), 1)`,
          legend: 'share',
        },
      ],
      unit: 'percentunit',
      decimals: 0,
    }),
    stat({
      title: 'Topics read',
      description: 'Topics that connections of this node read, each counted once per connection.',
      queries: [{ expr: `axiom_subscriptions{${HERE}}`, legend: 'topics' }],
      unit: 'short',
    }),
    stat({
      title: 'Revocations',
      description: 'Revocations of tokens in force; the same on all nodes.',
      queries: [{ expr: `axiom_revocations{${HERE}}`, legend: 'in force' }],
      unit: 'short',
    }),
  ],
};

const PROCESS: Row = {
  title: 'Process',
  panels: [
    lines({
      title: 'CPU',
      description: 'Cores in use. The event loop has one core; a node close to 1 is overloaded.',
      queries: [{ expr: rate('process_cpu_seconds_total'), legend: 'cores' }],
      unit: 'short',
      thresholds: { warn: 0.7, bad: 0.9 },
      decimals: 2,
      min: 0,
    }),
    lines({
      title: 'Event loop',
      description: '99th percentile of its delay. Everything on this node is late by this much.',
      queries: [{ expr: `nodejs_eventloop_lag_p99_seconds{${HERE}}`, legend: 'lag' }],
      unit: 's',
      thresholds: { warn: 0.05, bad: 0.2 },
      min: 0,
    }),
    lines({
      title: 'Garbage collection',
      description: 'Share of the time that garbage collection stopped the process, by kind.',
      queries: [{ expr: rate('nodejs_gc_duration_seconds_sum', 'kind'), legend: '{{kind}}' }],
      unit: 'percentunit',
      thresholds: { warn: 0.1, bad: 0.25 },
      min: 0,
    }),
    lines({
      title: 'Memory',
      description:
        'Resident memory, which NODE_MEMORY limits, and its parts: heap, and buffers outside the heap.',
      queries: [
        { expr: `process_resident_memory_bytes{${HERE}}`, legend: 'resident' },
        { expr: `nodejs_heap_used_bytes{${HERE}}`, legend: 'heap' },
        { expr: `nodejs_external_memory_bytes{${HERE}}`, legend: 'buffers' },
      ],
      unit: 'bytes',
      min: 0,
    }),
    areas({
      title: 'Recent messages',
      description: 'Messages kept in memory for recoveries, by stream; WINDOW_BYTES limits each stream.',
      queries: [{ expr: `axiom_window_bytes{${HERE}}`, legend: '{{stream}}' }],
      unit: 'bytes',
      min: 0,
    }),
    lines({
      title: 'Way to Redis',
      description: 'Round trip of the probe, and attempts to reconnect per second.',
      queries: [
        { expr: `axiom_redis_ping_seconds{${HERE}}`, legend: 'round trip, s' },
        { expr: rate('axiom_redis_reconnects_total'), legend: 'reconnects/s' },
      ],
      unit: 'short',
      min: 0,
    }),
  ],
};

const MESSAGES: Row = {
  title: 'Messages',
  panels: [
    lines({
      title: 'From the log',
      description:
        'Messages that the node read from the log, by stream. If a node differs from the others, it is behind.',
      queries: [{ expr: rate('axiom_messages_received_total', 'stream'), legend: '{{stream}}' }],
      unit: 'mps',
      min: 0,
    }),
    areas({
      title: 'To connections',
      description: 'Messages that the node wrote, by class of their stream.',
      queries: [{ expr: rate('axiom_messages_delivered_total', 'class'), legend: '{{class}}' }],
      unit: 'mps',
      min: 0,
    }),
    lines({
      title: 'Latency of this node',
      description: 'From the commit of a message to its fan-out here.',
      queries: [
        { expr: quantile(0.5, 'axiom_delivery_latency_seconds'), legend: 'median' },
        { expr: `instance:axiom_delivery_latency_seconds:p99_5m{${HERE}}`, legend: '99th percentile' },
      ],
      unit: 's',
      thresholds: { warn: 0.1, bad: 0.25 },
      min: 0,
    }),
    lines({
      title: 'Commits by this node',
      description: 'Messages that were published through this node and committed, by stream.',
      queries: [{ expr: rate('axiom_messages_published_total', 'stream'), legend: '{{stream}}' }],
      unit: 'mps',
      min: 0,
    }),
    lines({
      title: 'Back to the log',
      description: 'Reads of messages that are not in memory: to fill gaps, and pages for recoveries.',
      queries: [
        { expr: rate('axiom_gap_fills_total'), legend: 'gaps filled' },
        { expr: rate('axiom_log_range_reads_total'), legend: 'pages for recoveries' },
      ],
      unit: 'ops',
      min: 0,
    }),
    lines({
      title: 'Folded and dropped for slow readers',
      description: 'Messages of this node’s connections, by class.',
      queries: [
        { expr: rate('axiom_messages_conflated_total', 'class'), legend: 'conflated: {{class}}' },
        { expr: rate('axiom_messages_dropped_total', 'class'), legend: 'dropped: {{class}}' },
      ],
      unit: 'mps',
      min: 0,
    }),
  ],
};

const CONNECTIONS: Row = {
  title: 'Connections and requests',
  panels: [
    areas({
      title: 'Connections',
      description: 'Open connections of the node, by transport.',
      queries: [{ expr: `axiom_connections{${HERE}}`, legend: '{{transport}}' }],
      unit: 'short',
      min: 0,
    }),
    lines({
      title: 'How connections ended',
      description: 'By the name of the close code; `client`: ended by the client or the network.',
      queries: [{ expr: rate('axiom_disconnects_total', 'code'), legend: '{{code}}' }],
      unit: 'ops',
      min: 0,
    }),
    lines({
      title: 'Catching up',
      description:
        'Connections that are catching up, that wait for their turn (MAX_CONCURRENT_BACKFILLS), or that read too slowly.',
      queries: [
        { expr: `axiom_backfills{${HERE}}`, legend: '{{state}}' },
        { expr: `axiom_slow_connections{${HERE}}`, legend: 'slow' },
      ],
      unit: 'short',
      min: 0,
    }),
    lines({
      title: 'HTTP requests',
      description: 'Answered requests, by route and status, without event streams.',
      queries: [
        {
          expr: rate('axiom_http_request_duration_seconds_count', 'route, status'),
          legend: '{{route}} {{status}}',
        },
      ],
      unit: 'reqps',
      min: 0,
    }),
    lines({
      title: 'Duration of requests',
      description: '99th percentile by route.',
      queries: [
        { expr: quantile(0.99, 'axiom_http_request_duration_seconds', 'route, le'), legend: '{{route}}' },
      ],
      unit: 's',
      thresholds: { warn: 0.25, bad: 1 },
      min: 0,
    }),
    lines({
      title: 'Tokens',
      description: 'Tokens and keys that clients presented: already known, newly verified, or refused.',
      queries: [{ expr: rate('axiom_tokens_total', 'result'), legend: '{{result}}' }],
      unit: 'ops',
      min: 0,
    }),
  ],
};

/** One node, from its process to its connections. */
export const node = dashboard({
  uid: 'axiom-node',
  title: 'Axiom: node',
  description:
    'One node of the hub. Panel descriptions say what each panel means; monitoring/RUNBOOK.md says what to do.',
  variables: [{ name: 'node', label: 'Node', query: 'label_values(axiom_build_info, instance)' }],
  rows: [STATE, PROCESS, MESSAGES, CONNECTIONS],
});
