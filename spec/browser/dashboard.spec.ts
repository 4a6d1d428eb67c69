import { expect } from 'chai';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { launchChromium } from '../support/chromium.js';
import { nodeNamed, startTestCluster } from '../support/cluster.js';
import { SPEC_KEY } from '../support/credentials.js';
import { publish } from '../support/http.js';
import { until } from '../support/wait.js';
import { violations } from './axe.js';
import type { PageGlobals } from './page-globals.js';

/** What each view shows once live data have come. */
const VIEWS: readonly (readonly [view: string, shows: string, what: RegExp])[] = [
  ['markets', '#watchlist tbody tr:has-text("AAPL")', /\d+\.\d\d/],
  ['news', '.headlines li >> nth=0', /Sample: .+/],
  ['portfolio', '#positions tbody tr:has-text("MSFT")', /250/],
  ['signals', '#signals tbody tr >> nth=0', /(BUY|SELL)/i],
  ['system', '#nodes tbody tr:has-text("node2")', /healthy/],
];

describe('The dashboard in Chromium, on a cluster of three', () => {
  let browser: Browser;
  let cluster: LocalCluster;
  let context: BrowserContext;
  let page: Page;
  const errors: string[] = [];

  before(async function () {
    browser = await launchChromium(this);
    cluster = await startTestCluster({ env: { FEEDS: 'on', FEEDS_INTERVAL_MS: '100', DRAIN_MS: '0' } });
    context = await browser.newContext({ viewport: { width: 1440, height: 900 } });
    page = await context.newPage();
    page.on('pageerror', (error) => errors.push(error.message));
    page.on('console', (message) => {
      // A connection that is lost is an error to the browser; the page lives with it.
      if (message.type() === 'error' && !/WebSocket|Failed to load|ERR_/.test(message.text())) {
        errors.push(message.text());
      }
    });
    await page.goto(`${cluster.url}/`);
  });
  after(async () => {
    await browser?.close();
    await cluster?.stop();
  });
  afterEach(() => {
    expect(errors.splice(0), 'errors of the page').to.deep.equal([]);
  });

  for (const [view, shows, what] of VIEWS) {
    it(`shows live data in ${view}`, async () => {
      await page.goto(`${cluster.url}/#/${view}`);
      await page.locator(shows).waitFor();
      await until(
        `${view} shows ${what}`,
        async () => what.test((await page.locator(shows).textContent()) ?? ''),
        {
          instead: () => page.locator(shows).textContent(),
        },
      );
      const main = page.locator('#main');
      const before = await main.textContent();
      await until('it changes by itself', async () => (await main.textContent()) !== before);
    });
  }

  it('keeps its connection in view: transport, node, and that it is live', async () => {
    expect(await page.locator('#connection').textContent()).to.match(/Live.*Socket\.IO · node[123]/);
  });

  it('loads nothing from elsewhere', async () => {
    const origins = await page.evaluate(() =>
      performance.getEntriesByType('resource').map(({ name }) => new URL(name).origin),
    );
    expect([...new Set(origins)]).to.deep.equal([cluster.url]);
  });

  it('publishes from the explorer, and shows the message there', async () => {
    await page.goto(`${cluster.url}/#/explorer`);
    await page.fill('#explorer-topic', 'news:explored');
    await page.click('#explorer-subscribe');
    await page.locator('#messages .panel-head:has-text("node")').waitFor();
    await page.fill('#publish-topic', 'news:explored');
    await page.fill('#publish-data', '{"headline":"published here"}');
    await page.click('#publish button[type=submit]');
    await page.locator('#publish .outcome.bad:has-text("requires a token")').waitFor();
    await page.fill('#publish-token', SPEC_KEY);
    await page.click('#publish button[type=submit]');
    await page.locator('#publish .outcome.good').waitFor();
    await page.locator('.wire-line:has-text("published here")').waitFor();
    await publish(cluster.url, 'news:explored', { headline: 'published with curl' });
    await page.locator('.wire-line:has-text("published with curl")').waitFor();
    await page.click('#explorer-subscribe');
  });

  it('resumes when its node is killed, and nothing is missing in the numbering of the explorer', async () => {
    await page.fill('#explorer-topic', 'market:*');
    const node = page.locator('#node');
    const where = page.locator('#messages .aside:has-text("over")');
    await until('page and explorer are on one node', async () => {
      await page.click('#explorer-subscribe');
      const same = (await where.textContent())?.startsWith((await node.textContent()) ?? '?') === true;
      if (!same) await page.click('#explorer-subscribe');
      return same;
    });
    await until('messages flow', async () => (await counts(page)).received > 50);
    const killed = nodeNamed(cluster, (await node.textContent()) ?? '');
    await killed.process.stop('SIGKILL');
    const resumed = page.locator('.wire-note.good:has-text("Resumed on node")');
    await resumed.waitFor();
    expect(await resumed.textContent()).to.match(
      /Resumed on node\d .*: [\d,]+ messages? caught up, nothing lost/,
    );
    await page.locator('.status-line:has-text("nothing lost")').waitFor();
    const then = (await counts(page)).received;
    await until('messages flow again', async () => (await counts(page)).received > then + 50);

    const { received, first, last, text } = await counts(page);
    expect(last - first + 1, 'seqs that came, each once').to.equal(received);
    expect(text).to.include('none missing');
    expect(await page.locator('#node').textContent()).not.to.equal(killed.name);
    await page.click('#explorer-subscribe');
    await killed.process.start();
  });

  for (const theme of ['light', 'dark'] as const) {
    it(`is accessible in every view, in ${theme} colours and at 390 px too`, async () => {
      await page.evaluate((chosen) => {
        (globalThis as unknown as PageGlobals).localStorage.setItem('axiom-theme', chosen);
      }, theme);
      await page.reload();
      for (const width of [1440, 390]) {
        await page.setViewportSize({ width, height: 900 });
        for (const [view, shows] of [...VIEWS, ['explorer', '#publish']] as const) {
          await page.goto(`${cluster.url}/#/${view}`);
          await page.locator(shows).waitFor();
          const found = await violations(page);
          expect(found, `${view} at ${width} px`).to.deep.equal([]);
          const overflow = await page.evaluate(() => {
            const { document, innerWidth } = globalThis as unknown as PageGlobals;
            return document.documentElement.scrollWidth - innerWidth;
          });
          expect(overflow, `${view} at ${width} px is too wide`).to.be.at.most(0);
        }
      }
      await page.setViewportSize({ width: 1440, height: 900 });
    });
  }

  it('does not jump while it loads', async () => {
    const fresh = await context.newPage();
    await fresh.addInitScript(() => {
      const seen = globalThis as unknown as PageGlobals & { shift: number };
      seen.shift = 0;
      new seen.PerformanceObserver((list) => {
        for (const entry of list.getEntries()) seen.shift += (entry as unknown as { value: number }).value;
      }).observe({ type: 'layout-shift', buffered: true });
    });
    await fresh.goto(`${cluster.url}/#/markets`);
    await fresh.locator('#watchlist tbody tr:has-text("AAPL")').waitFor();
    const shift = await fresh.evaluate(() => (globalThis as unknown as { shift: number }).shift);
    // What the web vitals call good.
    expect(shift).to.be.below(0.1);
    await fresh.close();
  });
});

async function counts(page: Page) {
  const text = (await page.locator('#explorer-counts').textContent()) ?? '';
  const number = (pattern: RegExp, group = 1) =>
    Number(pattern.exec(text)?.[group]?.replaceAll(',', '') ?? 0);
  return {
    text,
    received: number(/([\d,]+) received/),
    first: number(/seq ([\d,]+)–/),
    last: number(/seq [\d,]+–([\d,]+?)(?=✓|\d+ missing|$)/),
  };
}
