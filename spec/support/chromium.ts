/** Chromium for specs, where the machine has one. */
import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

const PLACES = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--js-flags=--expose-gc',
];

/** Ends the specs of a suite, loudly, where there is no Chromium. */
export async function launchChromium(suite: Mocha.Context): Promise<Browser> {
  const executablePath = PLACES.find((place) => existsSync(place));
  if (executablePath === undefined) {
    console.warn('      SKIPPED: no Chromium on this machine (Debian: apt-get install chromium)');
    suite.skip();
  }
  return chromium.launch({ executablePath: executablePath!, args: FLAGS });
}
