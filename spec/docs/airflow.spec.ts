/** Runs the DAG of the documentation with a real Airflow. */
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { authorization, SPEC_KEY } from '../support/credentials.js';
import { airflowFolder } from '../support/downloads.js';
import { call, publish } from '../support/http.js';
import { until } from '../support/wait.js';

const DAGS = fileURLToPath(new URL('../../../docs/integrations/airflow', import.meta.url));
const run = promisify(execFile);

/** The Airflow that a full run has fetched. */
function airflowProgram(): string | undefined {
  const { folder, complete } = airflowFolder();
  return existsSync(complete) ? join(folder, 'bin/airflow') : undefined;
}

/** Passes requests on to a hub, whose answer to the first batch is lost. */
async function startLosingProxy(
  hub: string,
): Promise<{ server: Server; url: string; batches: () => number }> {
  let batches = 0;
  const server = createServer(async (request, response) => {
    const body: Buffer[] = [];
    for await (const chunk of request) body.push(chunk as Buffer);
    const answer = await fetch(`${hub}${request.url}`, {
      method: request.method ?? 'GET',
      headers: { ...authorization(), 'Content-Type': 'application/json' },
      ...(request.method === 'POST' ? { body: Buffer.concat(body) } : {}),
    });
    const text = await answer.text();
    if (request.url === '/api/messages') batches += 1;
    if (request.url === '/api/messages' && batches === 1) response.destroy();
    else response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { server, url: `http://127.0.0.1:${port}`, batches: () => batches };
}

describe('The DAG for Airflow', function () {
  this.timeout(600_000);
  const airflow = airflowProgram();
  let app: RunningNode;
  let proxy: Awaited<ReturnType<typeof startLosingProxy>>;
  let home: string;

  const messages = async (topic: string) => {
    const address = `${app.url}/api/topics/${encodeURIComponent(topic)}/messages`;
    return (
      await call<{ messages: { data: unknown }[] }>('GET', address, undefined, authorization())
    ).body.messages.map(({ data }) => data);
  };

  before(async function () {
    if (airflow === undefined) {
      console.warn('      SKIPPED: no Airflow (npm run test:all fetches it, or says why not)');
      this.skip();
    }
    app = await startTestApp();
    proxy = await startLosingProxy(app.url);
    home = mkdtempSync(join(tmpdir(), 'axiom-spec-airflow-'));
  });

  after(async () => {
    proxy?.server.close();
    await app?.stop();
    if (home !== undefined) rmSync(home, { recursive: true, force: true });
  });

  it('publishes its batch once, though the answer was lost and it tries again, and sees what is answered', async () => {
    const options = {
      env: {
        ...process.env,
        AIRFLOW_HOME: home,
        AIRFLOW__CORE__DAGS_FOLDER: DAGS,
        AIRFLOW__CORE__LOAD_EXAMPLES: 'False',
        PYTHONDONTWRITEBYTECODE: '1',
        AXIOM_URL: proxy.url,
        AXIOM_TOKEN: SPEC_KEY,
      },
      maxBuffer: 64 * 1024 * 1024,
    };
    await publish(app.url, 'signals:airflow/done', { of: 'an earlier run' });
    await run(airflow!, ['db', 'migrate'], options);
    let ended = false;
    const running = run(airflow!, ['dags', 'test', 'axiom_streaming', '2026-01-01'], options).finally(() => {
      ended = true;
    });
    running.catch(() => undefined);
    await until('the batch was sent again', () => ended || proxy.batches() === 2, { withinMs: 120_000 });
    // The answer comes while the sensor waits.
    await publish(app.url, 'signals:airflow/done', { of: 'this run' });
    const { stdout, stderr } = await running;
    expect(stdout + stderr).to.contain('answered with [{"of": "this run"}]');
    expect(proxy.batches()).to.equal(2);
    expect(await messages('signals:airflow/prices')).to.deep.equal([
      { symbol: 'AAPL', price: 187.2 },
      { symbol: 'MSFT', price: 411.9 },
    ]);
  });
});
