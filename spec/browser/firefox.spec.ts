import { existsSync } from 'node:fs';
import { expect } from 'chai';
import { type Browser, launch } from 'puppeteer-core';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { FIREFOX_PLACES } from '../support/browsers.js';
import { publish } from '../support/http.js';
import { OPEN_SOCKETS } from './own-origin.js';

describe('The dashboard in Firefox', () => {
  let browser: Browser;
  let app: RunningNode;

  before(async function () {
    const executablePath = FIREFOX_PLACES.find((place) => existsSync(place));
    if (executablePath === undefined) {
      console.warn('      SKIPPED: no Firefox on this machine (Debian: apt-get install firefox-esr)');
      this.skip();
    }
    app = await startTestApp();
    browser = await launch({ browser: 'firefox', executablePath: executablePath!, headless: true });
  });
  after(async () => {
    await browser?.close();
    await app?.stop();
  });

  it('loads, and shows what is published', async () => {
    const page = await browser.newPage();
    await page.goto(`${app.url}/#/news`);
    await page.waitForSelector('.pill.connected');
    await publish(app.url, 'news:firefox', { headline: 'Read in Firefox', sentiment: 0.5 });
    const line = await page.waitForSelector('.headline');
    expect(await line?.evaluate(({ textContent }) => textContent)).to.match(/Read in Firefox/);
  });

  for (const path of ['/', '/docs/sockets.html']) {
    it(`may connect to its own hub, and to no other host: ${path}`, async () => {
      const page = await browser.newPage();
      await page.goto(app.url + path);
      expect(await page.evaluate(OPEN_SOCKETS)).to.equal('open, refused');
    });
  }
});
