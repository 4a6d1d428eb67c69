/** `topics` and `nodes`: lists of what there is. */
import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import type { Command } from 'commander';
import { getJson } from './http.js';
import { globalOptions, type Surroundings } from './output.js';

interface StreamDescription {
  readonly name: string;
  readonly class: string;
  readonly live: boolean;
  readonly epoch: string;
  readonly lastSeq: number;
  readonly keys: number;
}

export function addListing(program: Command, surroundings: Surroundings): void {
  const { terminal } = surroundings;
  program
    .command('topics [stream]')
    .description('lists the streams, or the topics of one stream')
    .addHelpText('after', '\nExamples:\n  axiom-streaming topics\n  axiom-streaming topics market')
    .action(async (stream: string | undefined, _options: object, command: Command) => {
      const options = globalOptions(command, surroundings);
      if (stream === undefined) {
        const { streams } = await getJson<{ streams: StreamDescription[] }>('/api/streams', options);
        if (options.json) for (const one of streams) terminal.print(JSON.stringify(one));
        else
          terminal.table(
            ['STREAM', 'CLASS', 'TOPICS', 'LAST SEQ', 'EPOCH', 'STATE'],
            streams.map(({ name, class: kind, keys, lastSeq, epoch, live }) => [
              name,
              kind,
              keys,
              lastSeq,
              epoch,
              live ? 'live' : 'not live',
            ]),
          );
        return;
      }
      const { topics, moreTopics } = await getJson<{ topics: string[]; moreTopics: boolean }>(
        `/api/streams/${encodeURIComponent(stream)}`,
        options,
      );
      for (const topic of topics) terminal.print(options.json ? JSON.stringify({ topic }) : topic);
      if (moreTopics) terminal.error('(there are more)');
    });
  program
    .command('nodes')
    .description('lists the nodes of the cluster with their measurements')
    .addHelpText('after', '\nExample:\n  axiom-streaming --json nodes | jq -r .node')
    .action(async (_options: object, command: Command) => {
      const options = globalOptions(command, surroundings);
      const { nodes } = await getJson<{ nodes: NodeReport[] }>('/api/nodes', options);
      if (options.json) for (const node of nodes) terminal.print(JSON.stringify(node));
      else
        terminal.table(
          ['NODE', 'STATE', 'CONNECTIONS', 'OUT/S', 'IN/S', 'CPU %', 'LAG MS', 'MIB', 'REDIS', 'VERSION'],
          nodes.map((node) => [
            node.node,
            node.draining ? 'draining' : 'serves',
            node.connections.socketio + node.connections.websocket + node.connections.sse,
            Math.round(node.deliveredPerSecond),
            Math.round(node.publishedPerSecond),
            Math.round(node.cpuPercent),
            Math.round(node.eventLoopLagMs * 10) / 10,
            Math.round(node.rssBytes / 2 ** 20),
            node.redisConnected === null ? 'none' : node.redisConnected ? 'connected' : 'away',
            node.version,
          ]),
        );
    });
}
