import type { TransportName } from '@axiom-streaming/protocol/transports';
import {
  LocalCluster,
  type LocalClusterOptions,
  type LocalNode,
} from '../../server/local-cluster/local-cluster.js';
import { nextAddress, type TestClient, type TestSubscription } from './client.js';
import { SPEC_KEY } from './credentials.js';
import { subscribeOver } from './subscribe.js';

/** A cluster for specs: no feeds, quick heartbeats, and clients that may appear to come from anywhere. */
export function startTestCluster(options: LocalClusterOptions = {}): Promise<LocalCluster> {
  const lines =
    process.env.SPEC_LOGS === undefined
      ? {}
      : { onLine: (name: string, line: string) => console.log(name, line) };
  return LocalCluster.start({
    realIpFrom: ['127.0.0.1'],
    ...lines,
    ...options,
    env: {
      FEEDS: 'off',
      LOG_LEVEL: process.env.SPEC_LOGS ?? 'silent',
      TOP_CHECK_MS: '1000',
      PUBLISH_KEY: SPEC_KEY,
      ...options.env,
    },
  });
}

/** The node of a name. */
export function nodeNamed(cluster: LocalCluster, name: string): LocalNode {
  const node = cluster.nodes.find((candidate) => candidate.name === name);
  if (node === undefined) throw new Error(`there is no node "${name}"`);
  return node;
}

/** Subscribes through NGINX until the client is on the node that is wanted. */
export async function subscribeOnNode(
  cluster: LocalCluster,
  node: string,
  transport: TransportName,
  subscription: TestSubscription,
): Promise<TestClient> {
  // A node that was away is left out by NGINX for a moment longer.
  const deadline = performance.now() + 60_000;
  while (performance.now() < deadline) {
    const client = await subscribeOver(transport, { url: cluster.url, address: nextAddress() }, subscription);
    if (client.node === node) return client;
    client.close();
  }
  throw new Error(`NGINX sent nobody to ${node} within 60 s`);
}
