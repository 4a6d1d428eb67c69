import type { TransportName } from './transports.js';

/** A node's report about itself, sent every one or two seconds. All figures are its own measurements. */
export interface NodeReport {
  readonly node: string;
  /** ms since the Unix epoch, by the node's clock. */
  readonly at: number;
  readonly startedAt: number;
  readonly version: string;
  readonly connections: Readonly<Record<TransportName, number>>;
  /** Topics that its connections read, each counted per connection. */
  readonly subscriptions: number;
  /** Since the start: messages this node committed, took from the log, wrote to connections. */
  readonly published: number;
  readonly received: number;
  readonly delivered: number;
  /** Over the time since the last report. */
  readonly publishedPerSecond: number;
  readonly receivedPerSecond: number;
  readonly deliveredPerSecond: number;
  /** One core is 100. */
  readonly cpuPercent: number;
  readonly rssBytes: number;
  /** 99th percentile over the time since the last report. */
  readonly eventLoopLagMs: number;
  /** null: embedded, no Redis. */
  readonly redisConnected: boolean | null;
  readonly redisPingMs: number | null;
  readonly draining: boolean;
}
