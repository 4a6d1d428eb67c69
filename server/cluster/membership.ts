/**
 * The members of the cluster: each node stores its report every 1.5 s and reads all the others' in the same call.
 * Asking the other nodes (`fetchSockets`) was rejected: it times out when any of them is gone.
 */
import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import type { Logger } from '../logger.js';
import { sleep } from '../time/backoff.js';
import type { NodeReports } from './report-store.js';

const REPORT_EVERY_MS = 1_500;

/** The cluster as this node last saw it. */
export class Membership {
  readonly #reports: NodeReports;
  readonly #measure: () => NodeReport;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  #known: readonly NodeReport[] = [];
  #failing = false;

  /** @param measure makes a fresh report of this node at each call */
  constructor(options: { reports: NodeReports; measure: () => NodeReport; logger: Logger }) {
    this.#reports = options.reports;
    this.#measure = options.measure;
    this.#logger = options.logger;
  }

  /** The live nodes, including this one, sorted by name. */
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
      this.#logger.debug({ error: String(error) }, 'cluster: could not withdraw the report; it will expire');
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
      // A node that has run out of file descriptors cannot even read its memory use. Its last report is close enough.
      this.#logger.warn({ error: String(error) }, 'cluster: cannot measure this node');
      return;
    }
    try {
      const reports = await this.#reports.exchange(own);
      this.#known = [...reports].sort((a, b) => a.node.localeCompare(b.node, 'en', { numeric: true }));
      this.#failing = false;
    } catch (error) {
      // The other nodes' reports are out of date now; this node's own is not.
      this.#known = [own];
      if (!this.#failing) this.#logger.warn({ error: String(error) }, 'cluster: cannot exchange reports');
      this.#failing = true;
    }
  }
}
