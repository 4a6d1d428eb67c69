/** Where the nodes of a cluster leave their reports; a report is gone some seconds after its node. */
import type { NodeReport } from '@axiom-streaming/protocol/node-report';

export interface NodeReports {
  /** Leaves this node's report. @returns the reports of all nodes that are alive, this one's included. */
  exchange(report: NodeReport): Promise<NodeReport[]>;
  /** Takes this node's report away at once. */
  withdraw(node: string): Promise<void>;
}

/** A report is believed for so long. */
export const REPORT_EXPIRES_MS = 5_000;

/** One node alone. */
export class SingleNodeReports implements NodeReports {
  async exchange(report: NodeReport): Promise<NodeReport[]> {
    return [report];
  }

  async withdraw(): Promise<void> {
    // Nobody else reads it.
  }
}
