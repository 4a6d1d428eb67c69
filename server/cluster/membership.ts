/**
 * Who is in the cluster: each node reports itself every second and a half, and reads everybody's report in the same
 * call. Counting by asking the other nodes (`fetchSockets`) was rejected: it times out when any of them is gone.
 */
import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import type { Logger } from '../logger.js';
import { sleep } from '../time/backoff.js';
import type { NodeReports } from './node-report.js';

const REPORT_EVERY_MS = 1_500;

/** The cluster as this node last saw it. */
export class Membership {
  readonly #reports: NodeReports;
  readonly #measure: () => NodeReport;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  #known: readonly NodeReport[] = [];
  #failing = false;

  /** @param measure this node's report, made anew at each call */
  constructor(options: { reports: NodeReports; measure: () => NodeReport; logger: Logger }) {
    this.#reports = options.reports;
    this.#measure = options.measure;
    this.#logger = options.logger;
  }

  /** The nodes that are alive, by name, this one among them. */
  get nodes(): readonly NodeReport[] {
    return this.#known;
  }

  /** Reports once, then regularly. */
  async start(): Promise<void> {
    await this.#report();
    void this.#reportRegularly();
  }

  /** Takes this node out of the cluster's count. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    try {
      await this.#reports.withdraw(this.#measure().node);
    } catch (error) {
      this.#logger.debug({ error: String(error) }, 'cluster: the report could not be withdrawn; it expires');
    }
  }

  async #reportRegularly(): Promise<void> {
    const { signal } = this.#stopping;
    for (;;) {
      await sleep(REPORT_EVERY_MS, signal);
      if (signal.aborted) return;
      await this.#report();
    }
  }

  async #report(): Promise<void> {
    let own: NodeReport;
    try {
      own = this.#measure();
    } catch (error) {
      // A node without a file descriptor left cannot even read its memory. What it said last is true enough.
      this.#logger.warn({ error: String(error) }, 'cluster: the node cannot be measured');
      return;
    }
    try {
      const reports = await this.#reports.exchange(own);
      this.#known = [...reports].sort((a, b) => a.node.localeCompare(b.node, 'en', { numeric: true }));
      this.#failing = false;
    } catch (error) {
      // What is known of the others is out of date now; of itself the node knows.
      this.#known = [own];
      if (!this.#failing) this.#logger.warn({ error: String(error) }, 'cluster: reports cannot be exchanged');
      this.#failing = true;
    }
  }
}
