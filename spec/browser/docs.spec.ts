import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { launchChromium } from '../support/chromium.js';
import { SPEC_KEY } from '../support/credentials.js';
import { until } from '../support/wait.js';
import { OPEN_SOCKETS } from './own-origin.js';

describe('The pages of the documents', () => {
  let browser: Browser;
  let app: RunningNode;
  let page: Page;
  const complaints: string[] = [];

  before(async function () {
    browser = await launchChromium(this);
    app = await startTestApp();
    page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
    page.on('pageerror', (error) => complaints.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') complaints.push(message.text());
    });
    page.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(app.url) && !/^(data|blob):/.test(url)) complaints.push(`asked outside: ${url}`);
    });
  });
  after(async () => {
    await browser?.close();
    await app?.stop();
  });
  afterEach(() => expect(complaints.splice(0)).to.deep.equal([]));

  it('show what HTTP offers, and try it against this node', async () => {
    await page.goto(`${app.url}/docs`);
    await page.locator('.authorize').first().click();
    await page.locator('.auth-container input').fill(SPEC_KEY);
    await page.locator('.auth-btn-wrapper .authorize').click();
    await page.locator('.auth-btn-wrapper .btn-done').click();
    await page.locator('#operations-Publish-publish .opblock-summary').click();
    await page.locator('#operations-Publish-publish .try-out__btn').click();
    await page.locator('#operations-Publish-publish .execute').click();
    const answer = page.locator('#operations-Publish-publish .live-responses-table .response-col_status');
    await until('the node has answered', async () => (await answer.count()) > 1);
    expect(await answer.nth(1).innerText()).to.match(/^201/);
    const { lastSeq } = (await (await fetch(`${app.url}/api/streams/market`)).json()) as { lastSeq: number };
    expect(lastSeq).to.equal(1);
  });

  it('show what sockets offer', async () => {
    await page.goto(`${app.url}/docs/sockets.html`);
    await until('it is shown', async () =>
      (await page.locator('#document').innerText()).includes('subscribe'),
    );
    const text = await page.locator('#document').innerText();
    for (const word of ['Socket.IO 4', 'unsubscribe', 'history', 'expiring', `${app.port}/ws`]) {
      expect(text).to.contain(word);
    }
  });

  it('may connect to their own hub, and to no other host; so may the dashboard', async () => {
    for (const path of ['/', '/docs', '/docs/sockets.html']) {
      await page.goto(app.url + path);
      expect(await page.evaluate(OPEN_SOCKETS), path).to.equal('open, refused');
      expect(complaints.splice(0).filter((text) => !/192\.0\.2\.1/.test(text))).to.deep.equal([]);
    }
  });
});
