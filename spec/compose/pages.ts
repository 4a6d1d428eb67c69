/** The pages, in a browser that runs their scripts. */
import type { Page } from 'playwright-core';
import { findChromium } from '../support/chromium.js';
import { until } from '../support/wait.js';
import { check, type Hub } from './hub.js';

/** Each page, an element that its scripts make, and what is in it once they have. */
const PAGES: readonly (readonly [path: string, element: string, shows: RegExp])[] = [
  ['/', '#connection', /Live/],
  ['/#/markets', '#watchlist tbody tr:has-text("AAPL")', /\d+\.\d\d/],
  ['/docs/', '#operations-Publish-publish', /publish/i],
  ['/docs/sockets.html', '#document', /subscribe/],
];

/**
 * Opens every page. @returns a line for each
 * @throws Error where a page does not show what it should, complains, or names something that is not there
 */
export async function* visitPages({ url }: Hub): AsyncGenerator<string> {
  const browser = await findChromium();
  if (browser === undefined) {
    yield 'pages: SKIPPED, there is no Chromium on this machine';
    return;
  }
  try {
    // NGINX has made the certificate itself.
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    for (const [path, element, shows] of PAGES)
      yield await visit(await context.newPage(), `${url}${path}`, element, shows);
  } finally {
    await browser.close();
  }
}

async function visit(page: Page, address: string, element: string, shows: RegExp): Promise<string> {
  const complaints: string[] = [];
  let loaded = 0;
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  page.on('response', (response) => {
    loaded += 1;
    if (response.status() >= 400) complaints.push(`${response.url()}: ${response.status()}`);
  });
  const response = await page.goto(address);
  check(response?.status() === 200, { address, status: response?.status() });
  const text = async () => (await page.locator(element).first().textContent()) ?? '';
  await page.locator(element).first().waitFor({ timeout: 60_000 });
  await until(`${address} shows ${shows}`, async () => shows.test(await text()), {
    withinMs: 60_000,
    instead: () => complaints,
  });
  check(complaints.length === 0, { address, complaints });
  await page.close();
  return `${new URL(address).pathname}${new URL(address).hash}: shown, ${loaded} answers, no complaint`;
}
