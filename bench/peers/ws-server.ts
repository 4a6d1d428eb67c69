/** Plain `ws`, written as one would by hand: one `send` of the same buffer for each subscriber. */
import { createClient } from '@redis/client';
import { type WebSocket, WebSocketServer } from 'ws';

const topics = new Map<string, Set<WebSocket>>();
const client = createClient({ url: process.env.REDIS_URL ?? '' });
await client.connect();
await client.subscribe('bench', (payload) => {
  const space = payload.indexOf(' ');
  const message = Buffer.from(payload.slice(space + 1));
  for (const socket of topics.get(payload.slice(0, space)) ?? []) socket.send(message, { binary: false });
});
const server = new WebSocketServer({
  port: Number(process.env.PORT),
  host: '127.0.0.1',
  perMessageDeflate: false,
});
/** Those that have answered the last ping. */
const alive = new WeakSet<WebSocket>();
if (process.env.PING_INTERVAL_MS !== undefined) {
  // The heartbeat of ws's documentation.
  setInterval(() => {
    for (const socket of server.clients) {
      if (!alive.delete(socket)) socket.terminate();
      else socket.ping();
    }
  }, Number(process.env.PING_INTERVAL_MS));
}
server.on('connection', (socket) => {
  alive.add(socket);
  socket.on('pong', () => alive.add(socket));
  socket.on('message', (data) => {
    for (const topic of (JSON.parse(String(data)) as { topics: string[] }).topics) {
      topics.set(topic, (topics.get(topic) ?? new Set()).add(socket));
    }
    socket.send('ready');
  });
  socket.on('error', () => socket.terminate());
});
