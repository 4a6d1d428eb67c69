import { fileURLToPath } from 'node:url';
import { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { answers } from '../../server/local-cluster/nginx.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { SPEC_KEY } from '../support/credentials.js';
import { conformanceSuite } from './suite.js';

const MAIN = fileURLToPath(new URL('../../server/main.js', import.meta.url));

describe('One node with its log in memory', () => {
  let url = '';
  let node: ManagedProcess | undefined;

  before(async () => {
    const port = await freePorts(1);
    url = `http://127.0.0.1:${port}`;
    node = new ManagedProcess({
      name: 'node',
      command: process.execPath,
      args: ['--enable-source-maps', MAIN],
      env: {
        HOST: '127.0.0.1',
        PORT: String(port),
        REDIS_URL: '',
        FEEDS: 'off',
        LOG_LEVEL: 'silent',
        PUBLISH_KEY: SPEC_KEY,
        TRUST_PROXY: 'loopback',
      },
      ready: () => answers(`${url}/health/ready`),
    });
    await node.start();
  });

  after(() => node?.stop());

  conformanceSuite({ url: () => url, complete: true });
});
