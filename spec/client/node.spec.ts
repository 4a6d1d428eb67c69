import type { Gap, Recovery, Transport } from '@axiom-streaming/client';
import { connect } from '@axiom-streaming/client';
import { SPEC_KEY } from '../support/credentials.js';
import { describeClient, type RunningClient } from './suite.js';

describeClient('in Node.js', async (url: string, transport: Transport): Promise<RunningClient> => {
  const client = connect({ url, transport, token: SPEC_KEY, maxBackoffMs: 500 });
  const data: unknown[] = [];
  const gaps: Gap[] = [];
  const recoveries: Recovery[] = [];
  client.on('gap', (gap) => gaps.push(gap));
  client.on('recovered', (recovery) => recoveries.push(recovery));
  return {
    subscribe: async (topic, options) => {
      await client.subscribe(topic, options, (message) => data.push(message.data)).ready;
    },
    publish: async (topic, value) => (await client.publish(topic, value)).seq,
    history: async (topic, limit) =>
      (await client.history(topic, { limit })).messages.map(({ data }) => data),
    seen: async () => ({ data, gaps, recoveries, status: client.status }),
    close: async () => client.close(),
  };
});
