import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import WebSocket from 'ws';
import { subscribe } from '../../server/hub/operations/subscribe.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { METRICS } from '../../server/telemetry/catalogue.js';
import { startTestApp } from '../http/test-app.js';
import { RecordingSink } from '../hub/support.js';
import { authorization } from '../support/credentials.js';
import { call, publish } from '../support/http.js';
import { promtool } from '../support/promtool.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';

const README = readFileSync(fileURLToPath(new URL('../../../README.md', import.meta.url)), 'utf8');
const CONNECTIONS = 10_000;
const SCRAPES = 20;
/**
 * What a scrape may cost with all connections, in times of what it costs with none: a larger heap is dearer to read.
 */
const MOST_TIMES = 3;

describe('The metrics', () => {
  let app: RunningNode;

  before(async () => {
    app = await startTestApp();
  });

  after(async () => {
    await app?.stop();
  });

  const text = async () => (await call<string>('GET', `${app.url}/metrics`)).body;

  it('are those of the README', () => {
    const rows = README.matchAll(
      /^\| `((?:axiom|nodejs|process)_\w+)`\s*\| (\w+)\s*\| (.*?)\s*\| (.*?)\s*\|$/gm,
    );
    expect([...rows].map(([, ...cells]) => cells)).to.deep.equal(
      Object.entries(METRICS).map(([name, { type, labels, help }]) => [
        name,
        type,
        labels.map((label) => `\`${label}\``).join(', '),
        help,
      ]),
    );
  });

  it('are all there, but for those of a Redis that there is not', async () => {
    const found = [...(await text()).matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, type]) => [
      name,
      type,
    ]);
    const expected = Object.entries(METRICS)
      .filter(([name]) => !name.startsWith('axiom_redis_'))
      .map(([name, { type }]) => [name, type]);
    expect(found).to.have.deep.members(expected);
  });

  it('are there before anything happened, or a first increase would not be seen', async () => {
    const found = await text();
    for (const [name, { type }] of Object.entries(METRICS)) {
      if (type !== 'counter' || name.startsWith('axiom_redis_')) continue;
      expect(found, name).to.match(new RegExp(`^${name}(\\{.*\\})? \\S+$`, 'm'));
    }
  });

  it('keep to the conventions of Prometheus', async function () {
    const check = promtool(this);
    await publish(app.url, 'news:a', 1);
    expect(check(['check', 'metrics'], await text())).to.equal('');
    for (const [name, { type }] of Object.entries(METRICS)) {
      expect(name.endsWith('_total'), name).to.equal(type === 'counter');
    }
  });

  it('say how connections ended', async () => {
    const count = async (code: string) =>
      Number(new RegExp(`^axiom_disconnects_total\\{code="${code}"\\} (\\d+)$`, 'm').exec(await text())?.[1]);
    expect([await count('client'), await count('bad_request')]).to.deep.equal([0, 0]);
    const client = await WebSocketTestClient.subscribe({ url: app.url }, { topics: ['news:*'] });
    client.close();
    await until('it is counted', async () => (await count('client')) === 1);
    // Raw, since no client would send what is no frame.
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}/ws`, { headers: authorization() });
    socket.once('open', () => socket.send('no frame'));
    await until('it is counted', async () => (await count('bad_request')) === 1);
  });

  /**
   * CPU time of the cheapest scrape, ms: collections and whatever else the machine does only add to it. Client and
   * server are one process here.
   */
  async function costOfScrape(): Promise<number> {
    const costs: number[] = [];
    for (let i = 0; i < SCRAPES; i++) {
      const before = process.cpuUsage();
      await text();
      const { user, system } = process.cpuUsage(before);
      costs.push((user + system) / 1_000);
    }
    return Math.min(...costs);
  }

  it(`cost about as much to read from a node with ${CONNECTIONS} connections as from one with none`, async () => {
    await costOfScrape();
    const withNone = await costOfScrape();
    for (let i = 0; i < CONNECTIONS; i++) {
      const subscriber = app.hub.attach(`c${i}`, new RecordingSink());
      await subscribe(
        app.hub,
        subscriber,
        { topics: ['news:a', 'market:a', 'market:b'] },
        { onPlanned: () => undefined },
      );
    }
    expect(await text()).to.match(/^axiom_subscriptions 30000$/m);
    const withAll = await costOfScrape();
    const figures = `CPU of a scrape: ${withNone.toFixed(2)} ms with none, ${withAll.toFixed(2)} ms with all`;
    expect(withAll / withNone, figures).to.be.below(MOST_TIMES);
    if (process.env.SPEC_LOGS !== undefined) console.log(figures);
  });
});
