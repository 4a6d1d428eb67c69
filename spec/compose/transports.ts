import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { publish } from '../support/http.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';
import { check, type Hub } from './hub.js';

const TOPIC = 'signals:verify-transports';

/** Reads a message over every socket and the event stream. @returns a line for each @throws Error where none arrives */
export async function* readEverywhere({ url, token }: Hub): AsyncGenerator<string> {
  const headers = { Authorization: `Bearer ${token}` };
  for (const transport of TRANSPORTS) {
    const client = await subscribeOver(transport, { url, token }, { topics: [TOPIC] });
    await publish(url, TOPIC, transport, headers);
    await until(`${transport} has it`, () => client.seen.data(TOPIC).includes(transport));
    yield `${transport}: a message, from ${client.node}`;
    client.close();
  }
  for (const [name, options] of SOCKETS) {
    const client = await connectSocketIo({ url, token, ...options });
    const ack = await client.request('subscribe', { topics: [TOPIC] });
    check(ack.ok, ack);
    await publish(url, TOPIC, name, headers);
    await until(`${name} has it`, () => client.seen.data(TOPIC).includes(name));
    yield `${name}: a message, from ${client.node}`;
    client.close();
  }
}

/** Socket.IO in its other forms. */
const SOCKETS = [
  ['socketio at /msgpack/', { msgpack: true }],
  ['socketio with polling', { transports: ['polling'] }],
] as const;
