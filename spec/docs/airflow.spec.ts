/** Runs the DAG of the documentation with a real Airflow. */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect } from 'chai';
import type { App } from '../../server/app.js';
import { startTestApp } from '../http/test-app.js';
import { authorization, SPEC_KEY } from '../support/credentials.js';
import { call, publish } from '../support/http.js';
import { until } from '../support/wait.js';

const DAGS = fileURLToPath(new URL('../../../docs/integrations/airflow', import.meta.url));
const run = promisify(execFile);

describe('The DAG for Airflow', function () {
  this.timeout(300_000);
  const airflow = process.env.SPEC_AIRFLOW;
  let app: App;
  let home: string;

  const messages = async (topic: string) => {
    const address = `${app.url}/api/topics/${encodeURIComponent(topic)}/messages`;
    return (
      await call<{ messages: { data: unknown }[] }>('GET', address, undefined, authorization())
    ).body.messages.map(({ data }) => data);
  };

  before(async function () {
    if (airflow === undefined) {
      console.warn('      SKIPPED: SPEC_AIRFLOW names no airflow; see docs/integrations/airflow/README.md');
      this.skip();
    }
    app = await startTestApp();
    home = mkdtempSync(join(tmpdir(), 'axiom-spec-airflow-'));
  });

  after(async () => {
    await app?.stop();
    if (home !== undefined) rmSync(home, { recursive: true, force: true });
  });

  it('publishes its batch once, however often the run is repeated, and sees the answer', async () => {
    const options = {
      env: {
        ...process.env,
        AIRFLOW_HOME: home,
        AIRFLOW__CORE__DAGS_FOLDER: DAGS,
        AIRFLOW__CORE__LOAD_EXAMPLES: 'False',
        AXIOM_URL: app.url,
        AXIOM_TOKEN: SPEC_KEY,
      },
      maxBuffer: 64 * 1024 * 1024,
    };
    await run(airflow!, ['db', 'migrate'], options);
    for (let round = 1; round <= 2; round++) {
      const running = run(airflow!, ['dags', 'test', 'axiom_streaming', '2026-01-01'], options);
      let ended = false;
      const end = running.finally(() => {
        ended = true;
      });
      end.catch(() => undefined);
      // The answer comes while the sensor waits.
      if (round === 1) {
        await until(
          'the batch is there',
          async () => ended || (await messages('signals:airflow/prices')).length === 2,
          {
            withinMs: 120_000,
          },
        );
        await publish(app.url, 'signals:airflow/done', { round });
      } else {
        const answering = setInterval(() => void publish(app.url, 'signals:airflow/done', { round }), 2_000);
        end.finally(() => clearInterval(answering)).catch(() => undefined);
      }
      const { stdout, stderr } = await end;
      expect(stdout + stderr).to.contain(`answered with [{"round": ${round}}`);
    }
    expect(await messages('signals:airflow/prices')).to.deep.equal([
      { symbol: 'AAPL', price: 187.2 },
      { symbol: 'MSFT', price: 411.9 },
    ]);
  });
});
