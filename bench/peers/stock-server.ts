/** Stock Socket.IO with its stock Redis adapter, set up as in its documentation. */
import { createServer } from 'node:http';
import { createClient } from '@redis/client';
import { createAdapter } from '@socket.io/redis-adapter';
import { Server } from 'socket.io';

const pubClient = createClient({ url: process.env.REDIS_URL ?? '' });
const subClient = pubClient.duplicate();
await Promise.all([pubClient.connect(), subClient.connect()]);
const server = createServer();
const io = new Server(server, {
  adapter: createAdapter(pubClient, subClient),
  pingInterval: Number(process.env.PING_INTERVAL_MS ?? 25_000),
});
io.on('connection', (socket) => {
  socket.on('subscribe', async ({ topics }: { topics: string[] }, acknowledge?: (answer: object) => void) => {
    await socket.join(topics);
    acknowledge?.({ ok: true });
  });
});
server.listen(Number(process.env.PORT), '127.0.0.1');
