import type * as Library from '@axiom-streaming/client';
import type { SubscribeOptions, Transport } from '@axiom-streaming/client';
import type { Browser, Page } from 'playwright-core';
import { launchChromium } from '../support/chromium.js';
import { SPEC_KEY } from '../support/credentials.js';
import { bundleClient } from './bundle.js';
import { type ClientSeen, describeClient, type RunningClient } from './suite.js';

/** What the page keeps for the spec. */
interface PageState {
  client: Library.HubClient;
  data: unknown[];
  gaps: unknown[];
  recoveries: unknown[];
}

describe('In Chromium', () => {
  let browser: Browser;
  let code: string;

  before(async function () {
    browser = await launchChromium(this);
    code = await bundleClient();
  });
  after(async () => {
    await browser?.close();
  });

  describeClient('in a page', async (url, transport): Promise<RunningClient> => {
    const page = await openPage(browser, url, code);
    await page.evaluate(
      async ({ transport, path, token }) => {
        const { connect } = (await import(path)) as typeof Library;
        const state: PageState = {
          client: connect({ transport, token, maxBackoffMs: 500 }),
          data: [],
          gaps: [],
          recoveries: [],
        };
        state.client.on('gap', (gap) => state.gaps.push(gap));
        state.client.on('recovered', (recovery) => state.recoveries.push(recovery));
        (globalThis as unknown as { state: PageState }).state = state;
      },
      { transport: transport as Transport, path: '/client-under-test.js', token: SPEC_KEY },
    );
    const inPage = globalThis as unknown as { state: PageState };
    return {
      subscribe: (topic, options) =>
        page.evaluate(
          async ([topic, options]: [string, SubscribeOptions]) => {
            const { state } = globalThis as unknown as { state: PageState };
            await state.client.subscribe(topic, options, ({ data }) => state.data.push(data)).ready;
          },
          [topic, options] as [string, SubscribeOptions],
        ),
      publish: (topic, data) =>
        page.evaluate(
          async ([topic, data]) =>
            (await (globalThis as unknown as typeof inPage).state.client.publish(String(topic), data)).seq,
          [topic, data] as const,
        ),
      history: (topic, limit) =>
        page.evaluate(
          async ([topic, limit]) => {
            const { client } = (globalThis as unknown as typeof inPage).state;
            return (await client.history(topic, { limit })).messages.map(({ data }) => data);
          },
          [topic, limit] as const,
        ),
      seen: () =>
        page.evaluate(() => {
          const { data, gaps, recoveries, client } = (globalThis as unknown as typeof inPage).state;
          return { data, gaps, recoveries, status: client.status } as ClientSeen;
        }),
      close: () => page.close(),
    };
  });
});

/** A page of the hub's own origin that has nothing but the library. */
async function openPage(browser: Browser, url: string, code: string): Promise<Page> {
  const page = await browser.newPage();
  await page.route('**/client-under-test.js', (route) =>
    route.fulfill({ contentType: 'text/javascript', body: code }),
  );
  // Any document of the hub will do, but one that a route makes up has no address, and Chromium lets it reach nobody.
  await page.goto(`${url}/health/live`);
  return page;
}
