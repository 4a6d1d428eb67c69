/** The documents are made once for each scheme, and only their host is filled in for a reader. */
import { request } from 'node:http';
import { expect } from 'chai';
import { RenderedDocument } from '../../server/http/api-documents/rendered-document.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from './test-app.js';

const PATHS = ['/openapi.json', '/asyncapi.json'];

describe('A document that is made once', () => {
  it('is made for each scheme, and filled in for each host', () => {
    const urls: string[] = [];
    const document = new RenderedDocument((url) => {
      urls.push(url);
      return { url, example: `curl ${url}/health` };
    }, '/hub');
    for (let i = 0; i < 1_000; i++) document.for({ scheme: 'http', host: `node-${i}:8001` });
    const { text } = document.for({ scheme: 'https', host: 'hub.example' });
    expect(JSON.parse(text)).to.deep.equal({
      url: 'https://hub.example/hub',
      example: 'curl https://hub.example/hub/health',
    });
    expect(document.made).to.equal(2);
    expect(urls).to.have.length(2);
  });
});

describe('The documents over HTTP', () => {
  let app: RunningNode;

  before(async () => {
    app = await startTestApp();
  });
  after(() => app?.stop());

  /** `fetch` does not let a caller choose the host. */
  const ask = (path: string, headers: Record<string, string>) =>
    new Promise<{ status: number | undefined; etag: string | undefined; text: string }>((resolve, reject) => {
      request(`${app.url}${path}`, { headers, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () =>
          resolve({
            status: response.statusCode,
            etag: response.headers.etag,
            text: Buffer.concat(chunks).toString(),
          }),
        );
      })
        .on('error', reject)
        .end();
    });

  for (const path of PATHS) {
    it(`${path} is not sent again to a reader that has it`, async () => {
      const host = `localhost:${app.port}`;
      const first = await ask(path, { Host: host });
      expect(first.status).to.equal(200);
      expect(first.text).to.include(host);
      expect(await ask(path, { Host: host, 'If-None-Match': first.etag! })).to.include({
        status: 304,
        text: '',
      });
      const other = await ask(path, { Host: 'localhost', 'If-None-Match': first.etag! });
      expect(other.status, 'reached by another name').to.equal(200);
      expect(JSON.parse(other.text)).to.be.an('object');
    });
  }
});
