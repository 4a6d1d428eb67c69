import { dashboard } from './dashboard.js';
import { areas, lines, type Row, stat } from './panels.js';

const rate = (metric: string, by: string) => `sum by (${by}) (rate(${metric}[$__rate_interval]))`;

const SERVICE_LEVELS: Row = {
  title: 'Service levels, over the last 7 days',
  panels: [
    stat({
      title: 'Available',
      description:
        'Share of the time in which at least one node was up and connected to Redis. Objective: 99.9 %.',
      queries: [{ expr: '1 - slo:axiom_errors:ratio_7d{slo="availability"}', legend: 'available' }],
      unit: 'percentunit',
      decimals: 3,
      thresholds: { warn: 0.9995, bad: 0.999 },
    }),
    stat({
      title: 'Delivered within 100 ms',
      description: 'Share of messages that a node fanned out within 100 ms of their commit. Objective: 99 %.',
      queries: [{ expr: '1 - slo:axiom_errors:ratio_7d{slo="latency"}', legend: 'in time' }],
      unit: 'percentunit',
      decimals: 2,
      thresholds: { warn: 0.995, bad: 0.99 },
    }),
    stat({
      title: 'Recovered without a gap',
      description: 'Share of resumed topics whose client missed nothing. Objective: 99.9 %.',
      queries: [{ expr: '1 - slo:axiom_errors:ratio_7d{slo="recovery"}', legend: 'recovered' }],
      unit: 'percentunit',
      decimals: 3,
      thresholds: { warn: 0.9995, bad: 0.999 },
    }),
    stat({
      title: 'Error budget left',
      description:
        'How much may still go wrong before an objective is missed. 100 %: nothing went wrong; below 0: it is missed.',
      queries: [{ expr: 'slo:axiom_error_budget:remaining_7d', legend: '{{slo}}' }],
      unit: 'percentunit',
      decimals: 0,
      thresholds: { warn: 0.5, bad: 0 },
      width: 12,
    }),
    lines({
      title: 'Errors by service level',
      description:
        'Share of failures in the 7 days before each moment. A step up shows when budget was spent.',
      queries: [{ expr: 'slo:axiom_errors:ratio_7d', legend: '{{slo}}' }],
      unit: 'percentunit',
      min: 0,
      width: 12,
    }),
    lines({
      title: 'Delivery latency',
      description:
        'Time from the commit of a message to its fan-out, over all nodes. If the 99th percentile stays above 250 ms on a node, DeliverySlow fires.',
      queries: [
        {
          expr: 'histogram_quantile(0.5, sum by (le) (rate(axiom_delivery_latency_seconds_bucket[$__rate_interval])))',
          legend: 'median',
        },
        { expr: 'cluster:axiom_delivery_latency_seconds:p99_5m', legend: '99th percentile' },
      ],
      unit: 's',
      thresholds: { warn: 0.1, bad: 0.25 },
      min: 0,
      width: 12,
    }),
  ],
};

const NOW: Row = {
  title: 'Now',
  panels: [
    stat({
      title: 'Alerts that fire',
      description: 'See monitoring/RUNBOOK.md for what they mean and what to do.',
      queries: [{ expr: 'count(ALERTS{alertstate="firing"}) or vector(0)', legend: 'alerts' }],
      unit: 'short',
      thresholds: { warn: 1, bad: 3 },
    }),
    stat({
      title: 'Nodes that serve',
      description: 'Nodes that are up, connected to Redis, and not draining.',
      queries: [{ expr: 'cluster:axiom_ready_nodes:count', legend: 'nodes' }],
      unit: 'short',
      thresholds: { warn: 2, bad: 1 },
    }),
    stat({
      title: 'Subscriptions',
      description: 'Topics that connections read, each counted once per connection.',
      queries: [{ expr: 'sum(axiom_subscriptions)', legend: 'topics' }],
      unit: 'short',
    }),
    stat({
      title: 'Slow connections',
      description: 'Connections that have more waiting than their budget, as a share of all.',
      queries: [
        { expr: 'sum(axiom_slow_connections) / clamp_min(sum(axiom_connections), 1)', legend: 'slow' },
      ],
      unit: 'percentunit',
      decimals: 1,
      thresholds: { warn: 0.01, bad: 0.05 },
    }),
    stat({
      title: 'Requests answered with a fault',
      description:
        'Share of HTTP requests of the last 5 minutes with a status of 500 or above, without probes.',
      queries: [{ expr: 'cluster:axiom_http_faults:ratio_5m', legend: 'faults' }],
      unit: 'percentunit',
      decimals: 2,
      thresholds: { warn: 0.001, bad: 0.01 },
    }),
    stat({
      title: 'Certificate ends in',
      description: 'Time until the certificate that NGINX serves ends.',
      queries: [{ expr: 'min(axiom_tls_certificate_expiry_timestamp_seconds) - time()', legend: 'left' }],
      unit: 's',
      thresholds: { warn: 14 * 86_400, bad: 2 * 86_400 },
    }),
  ],
};

const TRAFFIC: Row = {
  title: 'Messages and connections',
  panels: [
    areas({
      title: 'Connections by transport',
      description: 'Open connections of all nodes.',
      queries: [{ expr: 'sum by (transport) (axiom_connections)', legend: '{{transport}}' }],
      unit: 'short',
      min: 0,
    }),
    lines({
      title: 'Connections by node',
      description: 'A restarted node has fewer than the others until new clients connect.',
      queries: [{ expr: 'instance:axiom_connections:sum', legend: '{{instance}}' }],
      unit: 'short',
      min: 0,
    }),
    lines({
      title: 'Ended connections',
      description:
        'Connections that ended, by the name of their close code. `client`: ended by the client or the network.',
      queries: [{ expr: rate('axiom_disconnects_total', 'code'), legend: '{{code}}' }],
      unit: 'ops',
      min: 0,
    }),
    areas({
      title: 'Published',
      description: 'Messages that were committed, by stream.',
      queries: [{ expr: rate('axiom_messages_published_total', 'stream'), legend: '{{stream}}' }],
      unit: 'mps',
      min: 0,
    }),
    areas({
      title: 'Delivered',
      description: 'Messages written to connections, by stream: published messages times their readers.',
      queries: [{ expr: rate('axiom_messages_delivered_total', 'stream'), legend: '{{stream}}' }],
      unit: 'mps',
      min: 0,
    }),
    lines({
      title: 'Time to commit',
      description: '99th percentile of the time from a publication to its commit in the log, by node.',
      queries: [
        {
          expr: 'histogram_quantile(0.99, sum by (instance, le) (rate(axiom_publish_duration_seconds_bucket[$__rate_interval])))',
          legend: '{{instance}}',
        },
      ],
      unit: 's',
      thresholds: { warn: 0.1, bad: 0.5 },
      min: 0,
    }),
  ],
};

const ANNOUNCED: Row = {
  title: 'What clients were told they missed',
  panels: [
    lines({
      title: 'Recoveries',
      description:
        'Topics that clients asked to resume, by verdict. Any verdict but `recovered` and `no_position` (new to the cursor) is an announced loss.',
      queries: [{ expr: rate('axiom_recoveries_total', 'result'), legend: '{{result}}' }],
      unit: 'ops',
      min: 0,
    }),
    lines({
      title: 'Conflated and dropped',
      description:
        'Messages that were replaced by newer ones, and messages that slow readers were told they would not get, by class of the stream.',
      queries: [
        { expr: rate('axiom_messages_conflated_total', 'class'), legend: 'conflated: {{class}}' },
        { expr: rate('axiom_messages_dropped_total', 'class'), legend: 'dropped: {{class}}' },
      ],
      unit: 'mps',
      min: 0,
    }),
    lines({
      title: 'Slow readers',
      description:
        'Connections that became slow, by the action taken: `state` is conflated, `log` drops messages, `ledger` closes the connection.',
      queries: [{ expr: rate('axiom_slow_consumers_total', 'action'), legend: '{{action}}' }],
      unit: 'ops',
      min: 0,
    }),
    lines({
      title: 'Losses of the log',
      description:
        'In the last 10 minutes. Rotated: Redis had lost acknowledged messages. Lost: trimmed before a node had them. Both should always be 0.',
      queries: [
        { expr: 'sum(increase(axiom_epoch_rotations_total[10m]))', legend: 'epochs rotated' },
        { expr: 'sum(increase(axiom_lost_messages_total[10m]))', legend: 'messages lost' },
      ],
      unit: 'short',
      thresholds: { warn: 1, bad: 1 },
      min: 0,
    }),
    lines({
      title: 'Gaps filled',
      description:
        'Announcements that did not arrive, so that their messages were read from the log, by node. Nothing is lost; many of them mean a bad connection to Redis.',
      queries: [{ expr: rate('axiom_gap_fills_total', 'instance'), legend: '{{instance}}' }],
      unit: 'ops',
      min: 0,
    }),
    lines({
      title: 'Changes of epoch',
      description:
        'Changes of a stream’s epoch that nodes saw in the last 10 minutes: each breaks every cursor of that stream.',
      queries: [
        { expr: 'sum by (instance) (increase(axiom_epoch_changes_total[10m]))', legend: '{{instance}}' },
      ],
      unit: 'short',
      min: 0,
    }),
  ],
};

const REFUSED: Row = {
  title: 'What is refused',
  panels: [
    lines({
      title: 'Tokens refused',
      description: 'By error code. More than 5 a second of one kind is AuthFailureBurst.',
      queries: [{ expr: rate('axiom_auth_failures_total', 'reason'), legend: '{{reason}}' }],
      unit: 'ops',
      thresholds: { warn: 1, bad: 5 },
      min: 0,
    }),
    lines({
      title: 'Limits reached',
      description: 'Refusals because of a limit of an address, a subject or a connection.',
      queries: [{ expr: rate('axiom_limits_refused_total', 'limit'), legend: '{{limit}}' }],
      unit: 'ops',
      min: 0,
    }),
    lines({
      title: 'Connections refused',
      description:
        'New connections that were answered with 503, because the node is draining or has too many at once.',
      queries: [{ expr: rate('axiom_handshakes_refused_total', 'reason'), legend: '{{reason}}' }],
      unit: 'ops',
      min: 0,
    }),
    lines({
      title: 'Publications refused',
      description: 'Publications that could be parsed, but were refused.',
      queries: [{ expr: rate('axiom_messages_refused_total', 'reason'), legend: '{{reason}}' }],
      unit: 'ops',
      min: 0,
    }),
    lines({
      title: 'Errors',
      description: 'Requests that were answered with an error, by its code, and failures without a request.',
      queries: [{ expr: rate('axiom_errors_total', 'kind'), legend: '{{kind}}' }],
      unit: 'ops',
      min: 0,
    }),
    lines({
      title: 'Connections ended because of their token',
      description:
        'By reason: the token expired, was revoked or never arrived; an administrator closed it; it made too many requests.',
      queries: [{ expr: rate('axiom_connections_ended_total', 'reason'), legend: '{{reason}}' }],
      unit: 'ops',
      min: 0,
    }),
  ],
};

const REDIS: Row = {
  title: 'Redis',
  panels: [
    lines({
      title: 'Memory of Redis',
      description:
        'As a share of maxmemory. At 100 % every publication is refused; RedisMemoryLow fires at 90 %.',
      queries: [{ expr: 'redis_memory_used_bytes / (redis_memory_max_bytes > 0)', legend: '{{instance}}' }],
      unit: 'percentunit',
      thresholds: { warn: 0.75, bad: 0.9 },
      min: 0,
      max: 1,
    }),
    lines({
      title: 'Commands of Redis',
      description: 'Commands that Redis runs per second; a group of publications is one command.',
      queries: [{ expr: 'rate(redis_commands_processed_total[$__rate_interval])', legend: '{{instance}}' }],
      unit: 'ops',
      min: 0,
    }),
    lines({
      title: 'Round trip to Redis',
      description: 'Of the last probe of each node.',
      queries: [{ expr: 'axiom_redis_ping_seconds', legend: '{{instance}}' }],
      unit: 's',
      thresholds: { warn: 0.05, bad: 0.25 },
      min: 0,
    }),
  ],
};

/** The first dashboard to look at: are the objectives met, what is going on, and what is refused or lost. */
export const overview = dashboard({
  uid: 'axiom-overview',
  title: 'Axiom: overview',
  description:
    'The hub as its users experience it. Panel descriptions say what each panel means; monitoring/RUNBOOK.md says what to do.',
  rows: [SERVICE_LEVELS, NOW, TRAFFIC, ANNOUNCED, REFUSED, REDIS],
});
