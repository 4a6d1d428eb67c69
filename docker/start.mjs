// Starts a node in a container. Without a NODE_ID it takes the name that its network knows it by, so that metrics,
// logs and clients say "axiom-streaming-api-2" and not a container's id.
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
    // The network's own name follows the first dot.
    return name?.split('.')[0];
  } catch (error) {
    process.stderr.write(`No name for ${address} (${error.code}); the node is called after its host.\n`);
    return undefined;
  }
}

process.env.NODE_ID ||= (await ownName()) ?? '';
await import('../dist/server/main.js');
