import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { startTestCluster } from '../support/cluster.js';
import { CATALOGUE } from './catalogue.js';
import { KNOWN_FAILURES } from './known-failures.js';
import { PROXIED, PROXIES, type RunningProxy, startProxy } from './proxies.js';
import { complaint, table } from './table.js';
import { Missing } from './toolchains.js';
import { type Result, runTrial } from './trial.js';

const CLIENTS = CATALOGUE.filter(({ name }) => PROXIED.includes(name));

for (const proxy of Object.keys(PROXIES)) {
  describe(`Clients behind ${proxy} whose node is killed with SIGKILL under 100 messages per second`, function () {
    // It is fetched first, where it is not there yet.
    this.timeout(600_000);
    let cluster: LocalCluster | undefined;
    let running: RunningProxy | undefined;
    let results: readonly Result[] = [];

    before(async function () {
      cluster = await startTestCluster();
      try {
        running = await startProxy(proxy, cluster);
      } catch (error) {
        if (!(error instanceof Missing)) throw error;
        console.warn(`      SKIPPED: ${error.message}`);
        this.skip();
      }
      results = await runTrial(cluster, CLIENTS, { url: running.url });
      console.log(table(results.map((result) => ({ through: proxy, result }))));
    });

    after(async () => {
      await running?.stop();
      await cluster?.stop();
    });

    for (const entry of CLIENTS) {
      it(`lose nothing, get nothing twice and everything in order: ${entry.name}`, function () {
        const result = results.find((candidate) => candidate.entry === entry)!;
        const known = KNOWN_FAILURES[`${entry.name} through ${proxy}`];
        if (result.skipped !== undefined) {
          console.warn(`      SKIPPED: ${result.skipped}`);
          this.skip();
        }
        if (known !== undefined) {
          console.warn(`      FAILS TODAY, ${known}: ${complaint(result)}`);
          this.skip();
        }
        expect(complaint(result), result.events?.join('\n')).to.equal(undefined);
      });
    }

    it('are served elsewhere within 30 s where their node is stopped by SIGSTOP, and miss nothing', async function () {
      if (!PROXIES[proxy]!.cutsSilent || running === undefined) this.skip();
      const silent = await runTrial(cluster!, CLIENTS, { url: running!.url, signal: 'SIGSTOP' });
      console.log(table(silent.map((result) => ({ through: proxy, result }))));
      for (const result of silent.filter(({ skipped }) => skipped === undefined)) {
        expect(complaint(result), result.events?.join('\n')).to.equal(undefined);
        expect(result.backAfterS, result.entry.name).to.be.below(30);
      }
    });
  });
}
