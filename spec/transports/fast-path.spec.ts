import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import type { TestClient } from '../support/client.js';
import { publishAll } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';

const MESSAGES = 600;

for (const fastPath of ['on', 'off']) {
  describe(`With FAST_PATH=${fastPath}`, () => {
    let app: RunningNode;
    const clients: TestClient[] = [];

    before(async () => {
      app = await startTestApp({ FAST_PATH: fastPath });
    });

    after(async () => {
      for (const client of clients.splice(0)) client.close();
      await app?.stop();
    });

    for (const transport of TRANSPORTS) {
      it(`messages arrive whole and in order over ${transport}, between events of other kinds`, async () => {
        const topic = `news:${transport}`;
        const client = await subscribeOver(transport, { url: app.url }, { topics: [topic] });
        clients.push(client);
        const data = Array.from({ length: MESSAGES }, (_, n) => ({ n, text: '12 € 🚀 '.repeat(n % 40) }));
        for (let n = 0; n < MESSAGES; n += 50) {
          const { body } = await publishAll(
            app.url,
            data.slice(n, n + 50).map((item) => ({ topic, data: item })),
          );
          expect(body.results.every(({ ok }) => ok)).to.equal(true);
          app.hub.interrupted();
          app.hub.resumed();
        }
        await until('everything has come', () => client.seen.messages.length >= MESSAGES, {
          instead: () => client.seen.messages.length,
        });
        expect(client.seen.data()).to.deep.equal(data);
        await until('every change was told', () => client.seen.degraded.length === (2 * MESSAGES) / 50, {
          instead: () => client.seen.degraded.length,
        });
        expect(client.seen.losses).to.equal(0);
      });
    }
  });
}
