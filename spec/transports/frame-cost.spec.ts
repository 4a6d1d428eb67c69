import { expect } from 'chai';
import { FULL_ACCESS } from '../../server/hub/access.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { chargeFrame } from '../../server/transports/frame-cost.js';
import { startTestApp } from '../http/test-app.js';
import { type Ack, nextAddress } from '../support/client.js';
import { connectSocketIo } from '../support/socketio-client.js';
import { WebSocketTestClient } from '../support/websocket-client.js';

const LARGE = 100_000;

describe('A large frame', () => {
  it('is paid for by its bytes, and its client is not read while it owes', async () => {
    const calls: (string | number)[] = [];
    let paid: () => void = () => undefined;
    const access = {
      ...FULL_ACCESS,
      charge: (_work: string, amount: number) => void calls.push(amount),
      pace: () =>
        new Promise<void>((resolve) => {
          paid = resolve;
        }),
    };
    const source = { pause: () => void calls.push('pause'), resume: () => void calls.push('resume') };
    chargeFrame(access, source, { operation: 'subscribe', isOk: true, bytes: 100 });
    chargeFrame(access, source, { operation: 'publish', isOk: true, bytes: LARGE });
    expect(calls, 'a small one, and a publication that succeeded').to.deep.equal([]);
    chargeFrame(access, source, { operation: 'publish', isOk: false, bytes: LARGE });
    expect(calls).to.deep.equal([LARGE, 'pause']);
    paid();
    await Promise.resolve();
    expect(calls).to.deep.equal([LARGE, 'pause', 'resume']);
  });

  for (const [name, connect] of [
    ['WebSocket', WebSocketTestClient.connect],
    ['Socket.IO', connectSocketIo],
  ] as const) {
    it(`over ${name} counts, whatever comes of it`, async () => {
      const app: RunningNode = await startTestApp();
      const client = await connect({ url: app.url, address: nextAddress() });
      try {
        const topics = Array.from({ length: LARGE / 2 }, () => 1);
        const ack: Ack = await client.request('subscribe', { topics });
        expect(ack.error).to.include({ code: 'bad_request' });
        const metrics = await (await fetch(`${app.url}/metrics`)).text();
        const [, units] = /axiom_work_units_total\{kind="bytes_read"\} ([\d.]+)/.exec(metrics) ?? [];
        expect(Number(units)).to.be.at.least(LARGE / 16_384);
      } finally {
        client.close();
        await app.stop();
      }
    });
  }
});
