/** What the nodes of a cluster share in Redis besides the streams: reports and leases. */
import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import { loadScript, type RedisLink } from '../redis/redis-link.js';
import type { Leases } from './leases.js';
import { type NodeReports, REPORT_EXPIRES_MS } from './report-store.js';

const REPORT = loadScript(import.meta.url, 'report.lua');
const LEASE = loadScript(import.meta.url, 'lease.lua');
const REPORT_KEYS = ['{axiom}:nodes', '{axiom}:nodes:expiry'];

export class RedisNodeReports implements NodeReports {
  readonly #link: RedisLink;

  constructor(link: RedisLink) {
    this.#link = link;
  }

  async exchange(report: NodeReport): Promise<NodeReport[]> {
    const reply = await this.#link.run(REPORT, REPORT_KEYS, [
      report.node,
      JSON.stringify(report),
      String(REPORT_EXPIRES_MS),
    ]);
    if (!Array.isArray(reply)) return [report];
    return reply.map((text) => JSON.parse(String(text)) as NodeReport);
  }

  async withdraw(node: string): Promise<void> {
    await this.#link.run(REPORT, REPORT_KEYS, [node, '', '0']);
  }
}

export class RedisLeases implements Leases {
  readonly #link: RedisLink;

  constructor(link: RedisLink) {
    this.#link = link;
  }

  async hold(name: string, holder: string, ms: number): Promise<boolean> {
    return (await this.#link.run(LEASE, [leaseKey(name)], [holder, String(ms)])) === 1;
  }

  async release(name: string, holder: string): Promise<void> {
    await this.#link.run(LEASE, [leaseKey(name)], [holder, '0']);
  }
}

function leaseKey(name: string): string {
  return `{axiom}:lease:${name}`;
}
