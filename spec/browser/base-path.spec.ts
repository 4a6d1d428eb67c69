/** A hub below a path, through NGINX with the lines of docs/OPERATIONS.md: stripped, and not stripped. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@axiom-streaming/client';
import { expect } from 'chai';
import type { Browser, Page } from 'playwright-core';
import { findProgram, ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { runCli } from '../cli/run-cli.js';
import { codeBlockWith } from '../docs/code-blocks.js';
import { startTestApp } from '../http/test-app.js';
import { launchChromium } from '../support/chromium.js';
import { SPEC_KEY } from '../support/credentials.js';
import { publish } from '../support/http.js';
import { subscribeOver } from '../support/subscribe.js';
import { until } from '../support/wait.js';

const LINES = codeBlockWith('docs/OPERATIONS.md', 'location /hub/');

for (const [name, change] of [
  ['strips', (lines: string) => lines],
  ['does not strip', (lines: string) => lines.replace('8001/;', '8001;')],
] as const) {
  describe(`A hub below a path that NGINX ${name}`, () => {
    let app: RunningNode;
    let nginx: ManagedProcess;
    let browser: Browser;
    let page: Page;
    let dir: string;
    let url: string;
    let origin: string;
    const complaints: string[] = [];

    before(async function () {
      browser = await launchChromium(this);
      app = await startTestApp({ BASE_PATH: '/hub', FEEDS: 'on', FEEDS_INTERVAL_MS: '100' });
      dir = mkdtempSync(join(tmpdir(), 'axiom-spec-base-path-'));
      const port = await freePorts(1);
      origin = `http://127.0.0.1:${port}`;
      url = `${origin}/hub`;
      const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((kind) => `${kind}_temp_path ${dir}/${kind};`)
        .join(' ');
      writeFileSync(
        join(dir, 'nginx.conf'),
        `daemon off; pid ${dir}/nginx.pid; error_log stderr; events {} http { access_log off; ${temporary}
         server { listen 127.0.0.1:${port}; ${change(LINES).replace('8001', String(app.port))} } }`,
      );
      nginx = new ManagedProcess({
        name: 'nginx',
        command: findProgram('nginx', 'nginx-light'),
        args: ['-p', dir, '-c', join(dir, 'nginx.conf'), '-e', 'stderr'],
        ready: () =>
          fetch(`${url}/health`).then(
            ({ ok }) => ok,
            () => false,
          ),
      });
      await nginx.start();
      page = await browser.newPage();
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('response', (response) => {
        if (response.status() >= 400) complaints.push(`${response.status()} ${response.url()}`);
      });
      page.on('request', (request) => {
        if (request.url().startsWith(origin) && !request.url().startsWith(`${url}/`))
          complaints.push(`asked outside of the path: ${request.url()}`);
      });
    });

    after(async () => {
      await browser?.close();
      await nginx?.stop('SIGQUIT');
      await app?.stop();
      if (dir !== undefined) rmSync(dir, { recursive: true, force: true });
    });
    afterEach(() => expect(complaints.splice(0)).to.deep.equal([]));

    it('shows the dashboard, live, and its links stay below the path', async () => {
      await page.goto(`${url}/`);
      await until('it is live', async () =>
        /Live/.test((await page.locator('#connection').textContent()) ?? ''),
      );
      await page.goto(`${url}/#/explorer`);
      const links = await page
        .locator('a[href]')
        .evaluateAll((all) => all.map((a) => (a as { href?: string }).href));
      expect(links.filter((link) => link?.startsWith(origin) && !link.startsWith(`${url}/`))).to.deep.equal(
        [],
      );
    });

    it('shows the documents, with addresses below the path', async () => {
      await page.goto(`${url}/docs`);
      expect(page.url()).to.equal(`${url}/docs/`);
      await until(
        'HTTP is shown',
        async () => (await page.locator('#operations-Publish-publish').count()) === 1,
      );
      await page.click('a:has-text("Socket.IO and WebSocket")');
      await until('sockets are shown', async () =>
        (await page.locator('#document').innerText()).includes(`/hub/ws`),
      );
      const { servers } = (await (await fetch(`${url}/openapi.json`)).json()) as { servers: object };
      expect(servers).to.deep.equal([{ url }]);
    });

    for (const transport of ['socketio', 'websocket', 'sse'] as const) {
      it(`serves the client library over ${transport}`, async () => {
        const hub = connect({ url, transport, token: SPEC_KEY });
        const seen: unknown[] = [];
        await hub.subscribe([`news:${transport}`], {}, ({ data }) => seen.push(data)).ready;
        await publish(app.url, `news:${transport}`, 1);
        await until('it comes', () => seen.length === 1);
        hub.close();
      });
    }

    it('serves EventSource, which resumes by its address', async () => {
      const client = await subscribeOver('sse', { url }, { topics: ['market:AAPL'], rewind: 1 });
      await client.received(1);
      client.close();
    });

    it('serves the command line', async () => {
      const { code, stdout, stderr } = await runCli([
        'pub',
        'news:cli',
        '1',
        '--url',
        url,
        '--token',
        SPEC_KEY,
      ]);
      expect(code, stdout + stderr).to.equal(0);
    });
  });
}

describe('BASE_PATH', () => {
  it('leads from the path without a slash to the page', async () => {
    const app = await startTestApp({ BASE_PATH: '/hub' });
    const response = await fetch(`${app.url}/hub`, { redirect: 'manual' });
    expect([response.status, response.headers.get('location')]).to.deep.equal([308, '/hub/']);
    await app.stop();
  });

  it('takes away a whole segment, once', async () => {
    const app = await startTestApp({ BASE_PATH: '/hub' });
    const statuses = await Promise.all(
      ['/hub/health', '/health', '/hubs/health', '/hub/hub/health', '/HUB/health'].map(
        async (path) => (await fetch(app.url + path)).status,
      ),
    );
    expect(statuses).to.deep.equal([200, 200, 404, 404, 404]);
    await app.stop();
  });
});
