import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import type { Hub } from '../hub/hub.js';
import type { PublishCounters } from '../hub/operations/publisher.js';
import type { RedisLink } from '../redis/redis-link.js';

/** The sources of a node's report. */
export interface MeasurementSources {
  readonly node: string;
  readonly version: string;
  readonly hub: Hub;
  readonly publishing: PublishCounters;
  readonly connections: () => NodeReport['connections'];
  readonly link: RedisLink | undefined;
  /** 99th percentile of the event loop's delay since the last call, ms. */
  readonly takeLoopLagMs: () => number;
}

/** Returns a function that makes this node's reports; each covers the time since the previous one. */
export function measurements(sources: MeasurementSources): () => NodeReport {
  const { node, version, hub, publishing, connections, link, takeLoopLagMs } = sources;
  const startedAt = Date.now();
  let before = { at: performance.now(), cpu: process.cpuUsage(), published: 0, received: 0, delivered: 0 };
  return () => {
    const now = {
      at: performance.now(),
      cpu: process.cpuUsage(),
      published: sum(publishing.published.values()),
      received: sum(hub.counters.received.values()),
      delivered: hub.delivered,
    };
    const seconds = Math.max(0.001, (now.at - before.at) / 1000);
    const rate = (name: 'published' | 'received' | 'delivered') =>
      Math.round((now[name] - before[name]) / seconds);
    const cpuUs = now.cpu.user + now.cpu.system - before.cpu.user - before.cpu.system;
    const report: NodeReport = {
      node,
      at: Date.now(),
      startedAt,
      version,
      connections: connections(),
      subscriptions: hub.counters.subscriptions,
      published: now.published,
      received: now.received,
      delivered: now.delivered,
      publishedPerSecond: rate('published'),
      receivedPerSecond: rate('received'),
      deliveredPerSecond: rate('delivered'),
      cpuPercent: Math.round(cpuUs / 1e3 / seconds) / 10,
      rssBytes: process.memoryUsage.rss(),
      eventLoopLagMs: Math.round(takeLoopLagMs() * 10) / 10,
      redisConnected: link?.up ?? null,
      redisPingMs: link === undefined ? null : Math.round(link.pingMs * 100) / 100,
      draining: hub.draining,
    };
    before = now;
    return report;
  };
}

function sum(values: Iterable<number>): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
