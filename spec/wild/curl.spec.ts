import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { startTestCluster } from '../support/cluster.js';
import { SPEC_KEY } from '../support/credentials.js';
import { describeClients } from './describe-clients.js';
import { debianProgram } from './toolchains.js';

describeClients('curl');

describe('curl --http2, which offers h2c with each request', function () {
  this.timeout(120_000);
  const run = promisify(execFile);
  const curl = debianProgram('curl', 'curl');
  let cluster: LocalCluster;

  before(async () => {
    cluster = await startTestCluster();
  });

  after(() => cluster?.stop());

  /** The status and the body of an answer. */
  async function ask(...args: string[]): Promise<{ status: number; body: string }> {
    const { stdout } = await run(curl, [
      '--http2',
      '-sS',
      '--max-time',
      '20',
      '-w',
      '\n%{http_code}',
      ...args,
    ]);
    const at = stdout.lastIndexOf('\n');
    return { status: Number(stdout.slice(at + 1)), body: stdout.slice(0, at) };
  }

  for (const door of ['a node', 'NGINX']) {
    const url = () => (door === 'NGINX' ? cluster.url : cluster.nodes[0]!.url);

    it(`gets what it asks of ${door}, on one connection`, async () => {
      const { status, body } = await ask(`${url()}/health`, `${url()}/health`);
      expect([status, body.match(/"status"/g)?.length]).to.deep.equal([200, 2]);
    });

    it(`publishes to ${door}`, async () => {
      const address = `${url()}/api/topics/news:curl/messages`;
      const bearer = `Authorization: Bearer ${SPEC_KEY}`;
      const { status, body } = await ask('-H', bearer, '--data', '{"n":1}', address);
      expect(status, body).to.equal(201);
    });
  }
});
