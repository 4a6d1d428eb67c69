import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { startTestCluster } from '../support/cluster.js';
import { entriesOf, type Language } from './catalogue.js';
import { KNOWN_FAILURES } from './known-failures.js';
import { complaint, table } from './table.js';
import { type Result, runTrial } from './trial.js';

/**
 * Declares the specs of the clients of a language: all of them are killed a node together, each has a spec of its own.
 */
export function describeClients(language: Language): void {
  describe(`Clients in ${language}, as they are, whose node is killed with SIGKILL under 100 messages per second`, function () {
    // Compilers and registries come first, where nothing is there yet.
    this.timeout(1_200_000);
    const entries = entriesOf(language);
    let cluster: LocalCluster;
    let results: readonly Result[] = [];

    before(async () => {
      cluster = await startTestCluster();
      results = await runTrial(cluster, entries);
      console.log(table(results.map((result) => ({ through: 'NGINX', result }))));
    });

    after(async () => {
      await cluster?.stop();
    });

    for (const entry of entries) {
      it(`lose nothing, get nothing twice and everything in order: ${entry.name}`, function () {
        const result = results.find((candidate) => candidate.entry === entry)!;
        const known = KNOWN_FAILURES[entry.name];
        const what = complaint(result);
        if (result.skipped !== undefined) {
          console.warn(`      SKIPPED: ${result.skipped}`);
          this.skip();
        }
        if (known === undefined) {
          expect(what, result.events?.join('\n')).to.equal(undefined);
          return;
        }
        expect(what, `it is mended: take it from the list of known failures (${known})`).not.to.equal(
          undefined,
        );
        console.warn(`      FAILS TODAY, ${known}: ${what}`);
        this.skip();
      });
    }
  });
}
