/**
 * `system:<node>`: what the nodes of the cluster measured about themselves.
 *
 * The only feed that is not a function of its tick: two nodes that publish the same tick have read different reports.
 * The ids still admit only one of them; the other gets `idempotency_conflict`, which the runner counts as a duplicate.
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
