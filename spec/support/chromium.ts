/** Chromium for specs, where the machine has one. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';
import { CHROMIUM_PLACES } from './browsers.js';
import { trueClock } from './true-clock.js';

const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--js-flags=--expose-gc',
];

/** Starts Chromium; undefined where this machine has none. */
export async function findChromium(): Promise<Browser | undefined> {
  const executablePath = CHROMIUM_PLACES.find((place) => existsSync(place));
  return executablePath === undefined
    ? undefined
    : chromium.launch({ executablePath, args: FLAGS, env: trueClock() });
}

/** Ends the specs of a suite, loudly, where there is no Chromium. */
export async function launchChromium(suite: Mocha.Context): Promise<Browser> {
  const browser = await findChromium();
  if (browser === undefined) {
    console.warn('      SKIPPED: no Chromium on this machine (Debian: apt-get install chromium)');
    suite.skip();
  }
  return browser!;
}
