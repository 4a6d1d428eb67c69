/**
 * `system:<node>`: what the nodes of the cluster measured of themselves.
 *
 * The only feed that is no function of its tick: two nodes that publish the same tick have read different reports. The
 * ids still let only one of them in; the other is told `idempotency_conflict`, which the runner takes for a duplicate.
 */
import type { NodeReport } from '../cluster/node-report.js';
import { type Feed, type FeedData, publicationId } from './feed.js';

/** The data of a message of `system`. */
export interface SystemData extends FeedData, NodeReport {
  readonly source: 'measured';
}

/** The `system` feed. `reports` gives the newest reports of all nodes that are alive. */
export function systemFeed(reports: () => readonly NodeReport[], intervalMs: number): Feed {
  return {
    name: 'system',
    intervalMs,
    at: (tick) =>
      reports().map((report) => {
        const data: SystemData = { source: 'measured', ...report };
        return {
          topic: `system:${report.node}`,
          data: JSON.stringify(data),
          id: publicationId('system', report.node, tick),
        };
      }),
  };
}
