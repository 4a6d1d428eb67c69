import { expect } from 'chai';
import type { Browser } from 'playwright-core';
import type { RunningNode } from '../../server/node/start-node.js';
import { startSecuredApp } from '../auth/support.js';
import { launchChromium } from '../support/chromium.js';

describe('The dashboard in Chromium with a token that the hub refuses', () => {
  let browser: Browser;
  let app: RunningNode;

  before(async function () {
    browser = await launchChromium(this);
    app = await startSecuredApp();
  });
  after(async () => {
    await browser?.close();
    await app?.stop();
  });

  it('does not try it again, and says what to do', async () => {
    const page = await browser.newPage();
    await page.goto(`${app.url}/`);
    await page.locator('.status-text:has-text("Live.")').waitFor();
    // As the connection panel stores it.
    await page.evaluate("sessionStorage.setItem('axiom-token', 'not-a-token')");
    await page.reload();
    const line = page.locator('.status-text:has-text("Not connected")');
    await line.waitFor();
    expect(await line.textContent()).to.match(
      /^Not connected: refused \(token_invalid\), .+ Open the connection panel to connect again\.$/,
    );
  });
});
