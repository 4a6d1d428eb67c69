import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { conformanceSuite } from '../conformance/suite.js';
import { startTestCluster } from '../support/cluster.js';

describe('Three nodes with Redis behind NGINX', () => {
  let cluster: LocalCluster | undefined;

  before(async () => {
    cluster = await startTestCluster();
  });

  after(() => cluster?.stop());

  conformanceSuite({ url: () => cluster?.url ?? '', complete: true });
});
