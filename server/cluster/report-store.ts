/** Where the nodes of a cluster store their reports; a report expires a few seconds after its node is gone. */
import type { NodeReport } from '@axiom-streaming/protocol/node-report';

export interface NodeReports {
  /** Stores this node's report. @returns the reports of all live nodes, including this one. */
  exchange(report: NodeReport): Promise<NodeReport[]>;
  /** Removes this node's report at once. */
  withdraw(node: string): Promise<void>;
}

/** How long a report is valid, ms. */
export const REPORT_EXPIRES_MS = 5_000;

/** For a single node. */
export class SingleNodeReports implements NodeReports {
  async exchange(report: NodeReport): Promise<NodeReport[]> {
    return [report];
  }

  async withdraw(): Promise<void> {
    // No other node reads it.
  }
}
