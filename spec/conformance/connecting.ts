import { expect } from 'chai';
import { WebSocket } from 'ws';
import { fromAddress } from '../support/client.js';
import { until } from '../support/wait.js';
import type { Target } from './target.js';
import { eachTestHasVisitor, messagesOf } from './visitor.js';

/** The first thing a connection is told, and the ways to get one. */
export function connecting(target: Target): void {
  describe('Connecting', () => {
    const visitor = eachTestHasVisitor(target);
    const streams = () =>
      target.streams.map(({ name, class: streamClass }) => ({ name, class: streamClass }));

    it('over Socket.IO begins with welcome (info, cursor)', async () => {
      const { socket, events } = await visitor().connectSocketIo();
      const [name, info, cursor, ...more] = events[0]!;
      expect(name).to.equal('welcome');
      expect(info).to.have.all.keys('node', 'connection', 'streams');
      expect(info).to.deep.include({ connection: socket.id, streams: streams() });
      expect(cursor).to.equal('-');
      expect(more).to.deep.equal([]);
      expect(socket.recovered).to.equal(false);
    });

    it('over WebSocket begins with a welcome frame', async () => {
      const { frames } = await visitor().connectWebSocket();
      const [welcome] = frames;
      expect(welcome).to.have.all.keys('op', 'node', 'connection', 'streams', 'cursor');
      expect(welcome).to.deep.include({ op: 'welcome', streams: streams(), cursor: '-' });
    });

    it('over SSE begins with a position event that says as much', async () => {
      const { name } = target.streams[0]!;
      const topic = target.topic(name);
      const stream = await visitor().openStream({ topics: topic });
      await until('an event comes', () => stream.events.length > 0);
      const { event, id, data } = stream.events[0]!;
      expect(event).to.equal('position');
      const position = JSON.parse(data) as Record<string, unknown>;
      expect(position).to.have.all.keys('node', 'connection', 'streams', 'topics', 'cursor');
      expect(position).to.deep.include({ streams: streams(), topics: [{ topic }] });
      expect(position.cursor).to.equal(id);
    });

    it('gives each connection an id of its own', async () => {
      const [one, other] = await Promise.all([visitor().connectWebSocket(), visitor().connectWebSocket()]);
      expect(one.frames[0]?.connection).to.be.a('string').and.not.equal(other.frames[0]?.connection);
    });

    for (const path of ['/elsewhere', '/ws/more', '/wsx', '/stream']) {
      it(`refuses an upgrade of ${path}`, async () => {
        const status = await statusOfUpgrade(`${visitor().url}${path}`, visitor().address);
        expect(status).to.be.within(400, 499);
      });
    }

    describe('over HTTP long polling', () => {
      for (const transports of [['polling'], ['polling', 'websocket']] as const) {
        const upgrades = transports.length > 1;
        it(`delivers ${upgrades ? 'before and after the upgrade to WebSocket' : 'without an upgrade'}`, async () => {
          const { name } = target.streams[0]!;
          const topic = target.topic(name);
          const client = await visitor().connectSocketIo({ transports });
          const ack = await client.socket.timeout(5_000).emitWithAck('subscribe', { topics: [topic] });
          expect(ack).to.deep.include({ ok: true });
          const values = Array.from({ length: 20 }, (_, n) => n);
          for (const value of values) await visitor().publish(topic, value);
          if (upgrades) {
            await until('it is upgraded', () => client.socket.io.engine.transport.name === 'websocket');
          } else {
            expect(client.socket.io.engine.transport.name).to.equal('polling');
          }
          for (const value of values) await visitor().publish(topic, value);
          await client.received(40, topic);
          expect(messagesOf(client, topic).map(({ data }) => data)).to.deep.equal([...values, ...values]);
        });
      }
    });
  });
}

/**
 * The status with which an upgrade is refused; raw, since a client tells nothing of it.
 *
 * @throws Error where it is not refused.
 */
function statusOfUpgrade(url: string, address: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), {
      headers: fromAddress(address),
      handshakeTimeout: 5_000,
    });
    socket.on('unexpected-response', (request, response) => {
      request.destroy();
      resolve(response.statusCode ?? 0);
    });
    socket.on('error', reject);
    socket.on('open', () => {
      socket.terminate();
      reject(new Error(`${url} was upgraded`));
    });
  });
}
