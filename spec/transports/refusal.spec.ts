import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { HubError } from '../../server/errors.js';
import { refusalOf, refuseUpgrade } from '../../server/transports/refusal.js';
import { until } from '../support/wait.js';

describe('An upgrade that is refused', () => {
  it('is answered, and leaves no connection behind, though its client keeps its half open', async () => {
    const server = createServer();
    server.on('upgrade', (_request, socket) => {
      refuseUpgrade(socket, refusalOf(new HubError('not_found', 'there is no such upgrade')));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    const client = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    try {
      client.write('GET /x HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
      const chunks: Buffer[] = [];
      client.on('data', (chunk) => chunks.push(chunk));
      await once(client, 'end');
      expect(Buffer.concat(chunks).toString()).to.match(/^HTTP\/1.1 404 .*"code":"not_found"/s);
      const connections = promisify(server.getConnections.bind(server));
      await until('the connection is gone', async () => (await connections()) === 0);
    } finally {
      client.destroy();
      server.close();
    }
  });
});
