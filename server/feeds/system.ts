/**
 * `system:<node>`: what the nodes of the cluster measured of themselves.
 *
 * The only feed that is no function of its tick: two nodes that publish the same tick have read different reports. The
 * ids still let only one of them in; the other is told `idempotency_conflict`, which the runner takes for a duplicate.
 */
import type { SystemData } from '@axiom-streaming/protocol/demo-data';
import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import { type Feed, publicationId } from './feed.js';

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
