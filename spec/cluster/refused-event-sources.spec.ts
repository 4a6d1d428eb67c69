/** Event streams of many pages behind one address, through NGINX with its template, while nodes die. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { answers } from '../../server/local-cluster/nginx.js';
import { bearer, SECRET, token } from '../auth/support.js';
import { launchChromium } from '../support/chromium.js';
import { nodeNamed, startTestCluster } from '../support/cluster.js';
import { publish } from '../support/http.js';
import { type SseTestClient, subscribeSse } from '../support/sse-client.js';
import { patient, until } from '../support/wait.js';

const CLIENTS = 300;
/** One address for all of them, which is not this machine's: those are not counted. */
const ADDRESS = '203.0.113.7';
const BACK_WITHIN_MS = 30_000;

describe(`${CLIENTS} EventSources behind one address`, () => {
  let cluster: LocalCluster;
  let publisher: Record<string, string>;
  const clients: SseTestClient[] = [];

  before(async () => {
    cluster = await startTestCluster({ env: { JWT_SECRET: SECRET, PUBLISH_KEY: '' } });
    publisher = bearer(await token({ publish: ['news:*'] }));
  });

  after(async () => {
    for (const client of clients) client.close();
    await cluster?.stop();
  });

  it('are all back and complete within 30 s when their node is killed, with default settings', async () => {
    for (let i = 0; i < CLIENTS; i++) {
      clients.push(
        await subscribeSse({ url: cluster.url, address: ADDRESS, token: '' }, { topics: ['news:*'] }),
      );
    }
    const killed = nodeNamed(cluster, clients[0]!.node);
    expect(new Set(clients.map(({ node }) => node))).to.deep.equal(new Set([killed.name]));
    const survivor = cluster.nodes.find(({ name }) => name !== killed.name)!;
    let published = 0;
    const publishOne = async () => {
      const { status } = await publish(survivor.url, 'news:storm', published, publisher);
      expect(status).to.equal(201);
      published += 1;
    };
    for (let i = 0; i < 20; i++) await publishOne();
    await until('messages flow', () => clients.every(({ seen }) => seen.messages.length >= 20));

    await killed.process.stop('SIGKILL');
    const killedAt = performance.now();
    await until(
      'all are elsewhere',
      async () => {
        await publishOne();
        return clients.every(({ node }) => node !== killed.name);
      },
      {
        withinMs: BACK_WITHIN_MS,
        instead: () => ({
          away: clients.filter(({ node }) => node === killed.name).length,
          ended: clients.filter(({ source }) => source.readyState === source.CLOSED).length,
        }),
      },
    );
    expect(performance.now() - killedAt).to.be.below(patient(BACK_WITHIN_MS));
    await until('everything has arrived', () =>
      clients.every(({ seen }) => seen.messages.length >= published),
    );
    const all = Array.from({ length: published }, (_, n) => n);
    for (const { seen } of clients) expect(seen.data()).to.deep.equal(all);
  });
});

describe('A page of another origin that reads event streams', () => {
  let cluster: LocalCluster;
  let site: Server;
  let browser: Browser;
  let page: Page;

  before(async function () {
    browser = await launchChromium(this);
    site = createServer((_request, response) => {
      response.setHeader('Content-Type', 'text/html');
      response.end('<!doctype html><title>A page of another origin</title>');
    });
    await new Promise<void>((resolve) => site.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
    cluster = await startTestCluster({ nodes: 2, env: { ALLOWED_ORIGINS: origin } });
    page = await browser.newPage();
    await page.goto(origin);
  });

  after(async () => {
    await browser?.close();
    site?.close();
    await cluster?.stop();
  });

  it('comes back by itself after all nodes were away at once', async () => {
    await page.evaluate((url) => {
      const seen = { data: [] as unknown[], refused: [] as string[], opened: 0 };
      const source = new EventSource(`${url}/stream?topics=news:*`);
      const hear = (name: string, take: (data: Record<string, unknown>) => void) =>
        source.addEventListener(name, (event) =>
          take(JSON.parse(String((event as unknown as { data: unknown }).data))),
        );
      hear('message', ({ data }) => seen.data.push(data));
      hear('position', ({ node }) => {
        if (node !== undefined) seen.opened += 1;
      });
      hear('refused', ({ code }) => seen.refused.push(String(code)));
      Object.assign(globalThis, { seen, source });
    }, cluster.url);
    const seen = () =>
      page.evaluate(() => {
        const { seen, source } = globalThis as unknown as {
          seen: { data: unknown[]; refused: string[]; opened: number };
          source: EventSource;
        };
        return { ...seen, state: source.readyState };
      });
    await until('it reads', async () => (await seen()).opened === 1);
    await publish(cluster.url, 'news:a', 1);
    await until('the message comes', async () => (await seen()).data.length === 1);

    for (const { process } of cluster.nodes) await process.stop('SIGKILL');
    await until('it was refused twice', async () => (await seen()).refused.length >= 2, {
      withinMs: 30_000,
      instead: seen,
    });
    expect(new Set((await seen()).refused)).to.deep.equal(new Set(['node_unavailable']));
    for (const { process } of cluster.nodes) await process.start();
    await until('NGINX has nodes again', () => answers(`${cluster.url}/health/ready`));
    await publish(cluster.url, 'news:a', 2);
    await until('it has everything', async () => (await seen()).data.length === 2, {
      withinMs: 30_000,
      instead: seen,
    });
    expect((await seen()).data).to.deep.equal([1, 2]);
  });
});
