import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { type ClientHttp2Session, connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import WebSocket from 'ws';
import type { LocalCluster } from '../../server/local-cluster/local-cluster.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { startTestCluster } from '../support/cluster.js';
import { SPEC_KEY } from '../support/credentials.js';
import { get, publish } from '../support/http.js';
import { openStream } from '../support/http2-stream.js';
import { until } from '../support/wait.js';

const HSTS = 'max-age=31536000; includeSubDomains';

describe('TLS', () => {
  let cluster: LocalCluster;
  let port: number;
  let dir: string;
  let session: ClientHttp2Session;

  before(async () => {
    dir = mkdtempSync(join(tmpdir(), 'axiom-spec-tls-'));
    const [key, certificate] = [join(dir, 'privkey.pem'), join(dir, 'fullchain.pem')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    const request = ['req', '-x509', ...curve, '-days', '2', '-subj', '/CN=localhost'];
    execFileSync('openssl', [...request, '-keyout', key, '-out', certificate], { stdio: 'ignore' });
    port = await freePorts(1);
    cluster = await startTestCluster({ nodes: 2, tls: { port, certificates: dir, hsts: HSTS } });
    session = connect(`https://localhost:${port}`, { rejectUnauthorized: false });
  });

  after(async () => {
    session?.destroy();
    await cluster?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  it('carries hundreds of event streams over one connection of HTTP/2', async () => {
    const streams = Array.from({ length: 200 }, () => openStream(session, '/stream?topics=news:*'));
    await until('all are positioned', () => streams.every(({ text }) => text.includes('event: position')), {
      instead: () => streams.map(({ status }) => status),
    });
    expect(session.alpnProtocol).to.equal('h2');
    expect((await publish(cluster.url, 'news:tls', 'over h2')).status).to.equal(201);
    await until('all have the message', () => streams.every(({ text }) => text.includes('over h2')));
  });

  it('says by Strict-Transport-Security that it is to be used, and only over TLS', async () => {
    for (const path of ['/health', '/', '/assets/none.js']) {
      const headers = await new Promise<Record<string, unknown>>((resolve, reject) => {
        session.request({ ':path': path }).once('response', resolve).once('error', reject).resume();
      });
      expect(headers['strict-transport-security'], path).to.equal(HSTS);
    }
    expect((await get(`${cluster.url}/health`)).headers.has('strict-transport-security')).to.equal(false);
  });

  it('serves WebSocket', async () => {
    // Raw: the clients of the specs do not speak to a certificate that nobody signed.
    const socket = new WebSocket(`wss://localhost:${port}/ws`, {
      rejectUnauthorized: false,
      headers: { Authorization: `Bearer ${SPEC_KEY}` },
    });
    const welcome = await new Promise((resolve, reject) => {
      socket.once('message', (data) => resolve(JSON.parse(String(data))));
      socket.once('error', reject);
    });
    expect(welcome).to.have.property('op', 'welcome');
    socket.terminate();
  });

  for (const version of ['TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const) {
    it(`${version === 'TLSv1.1' ? 'refuses' : 'speaks'} ${version}`, async () => {
      const result = await new Promise<string>((resolve) => {
        const socket = connectTls({
          port,
          host: 'localhost',
          rejectUnauthorized: false,
          minVersion: version,
          maxVersion: version,
          // The client's own policy would refuse the old version first.
          ciphers: 'DEFAULT@SECLEVEL=0',
        });
        socket.once('secureConnect', () => resolve(String(socket.getProtocol())));
        socket.once('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
        socket.once('secureConnect', () => socket.destroy());
      });
      if (version === 'TLSv1.1') expect(result).to.match(/PROTOCOL_VERSION|ALERT/);
      else expect(result).to.equal(version);
    });
  }
});
