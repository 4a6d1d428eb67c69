/** What the hub relies on in Socket.IO's namespaces: a spec that fails says what an update has moved. */
import { expect } from 'chai';
import type { Socket } from 'socket.io';
import { WebSocket } from 'ws';
import { NamespaceEntrance } from '../../server/transports/socketio/namespace-entrance.js';
import { until } from '../support/wait.js';
import { BareSocketIo, heard } from './bare-socketio.js';

describe('The entrance of a namespace', () => {
  let bare: BareSocketIo;

  beforeEach(async () => {
    bare = await BareSocketIo.start({ redis: false });
  });

  afterEach(() => bare.stop());

  it('shows what was decided to the adapter that is asked for a session, and to the middleware, once', async () => {
    let count = 0;
    const entrance = new NamespaceEntrance(bare.server.of('/'), async () => ({ count: ++count }));
    const asked: unknown[] = [];
    bare.hooks.restoreSession = async () => {
      asked.push(entrance.entering);
      return null;
    };
    const taken: unknown[] = [];
    bare.server.use((socket, next) => {
      taken.push(entrance.take(socket), entrance.take(socket));
      next();
    });
    const { client, socket } = await bare.connect();
    const got = heard(client, 'position');
    socket.emit('position', '-');
    await until('the client has an offset', () => got.length === 1);
    const back = new Promise<Socket>((resolve) => bare.server.once('connection', resolve));
    client.io.engine.close();
    await back;
    expect(asked).to.deep.equal([{ count: 2 }]);
    expect(taken).to.deep.equal([{ count: 1 }, undefined, { count: 2 }, undefined]);
    expect(entrance.entering, 'afterwards').to.equal(undefined);
  });

  it('makes no socket where the connection was ended, and none of a second CONNECT while the first is decided', async () => {
    let decisions = 0;
    let sockets = 0;
    new NamespaceEntrance(bare.server.of('/'), async (connection) => {
      decisions += 1;
      // The third is never decided.
      if (decisions > 2) return new Promise(() => undefined);
      if (decisions > 1) return {};
      connection.close(true);
      return undefined;
    });
    bare.server.on('connection', () => {
      sockets += 1;
    });
    await bare.connect();
    expect(decisions).to.equal(2);
    expect(sockets).to.equal(1);

    const raw = new WebSocket(`${bare.url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`);
    const closed = new Promise((resolve) => raw.once('close', resolve));
    raw.once('open', () => {
      raw.send('40');
      raw.send('40');
    });
    await closed;
    expect(decisions).to.equal(3);
    expect(sockets).to.equal(1);
  });
});
