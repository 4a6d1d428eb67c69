// Starts a node in a container. Without NODE_ID the node takes its name in the container network, so that metrics, logs
// and clients show "axiom-streaming-api-2" instead of a container's id.
import { Resolver } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';

async function ownName() {
  const address = Object.values(networkInterfaces())
    .flat()
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;
  if (address === undefined) return undefined;
  const resolver = new Resolver({ timeout: 500, tries: 2 });
  try {
    const [name] = await resolver.resolvePtr(`${address.split('.').reverse().join('.')}.in-addr.arpa`);
    // The name of the network follows the first dot.
    return name?.split('.')[0];
  } catch (error) {
    process.stderr.write(`No name for ${address} (${error.code}); the node is called after its host.\n`);
    return undefined;
  }
}

process.env.NODE_ID ||= (await ownName()) ?? '';
await import('../dist/server/main.js');
