/** A connector as a process of a spec's own, to be killed and started again. */
import { fileURLToPath } from 'node:url';
import type { ConnectorName } from '../../server/connectors/catalogue.js';
import { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';

const RUN = fileURLToPath(new URL('../../server/connectors/run.js', import.meta.url));

/** A connector that is ready as soon as its process answers, not only when it is at work. */
export async function connectorProcess(
  name: ConnectorName,
  env: Readonly<Record<string, string>>,
): Promise<{ process: ManagedProcess; url: string }> {
  const port = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const process = new ManagedProcess({
    name: `connector ${name}`,
    command: globalThis.process.execPath,
    args: ['--enable-source-maps', RUN, name],
    env: { LOG_LEVEL: globalThis.process.env.SPEC_LOGS ?? 'silent', ...env, CONNECTOR_PORT: String(port) },
    ready: async () => {
      try {
        await fetch(`${url}/health`, { signal: AbortSignal.timeout(1_000) });
        return true;
      } catch {
        return false;
      }
    },
    ...(globalThis.process.env.SPEC_LOGS === undefined
      ? {}
      : { onLine: (line: string) => console.log(name, line) }),
  });
  return { process, url };
}

/** One sample of a connector's metrics, 0 where it is not there. */
export async function sample(url: string, metric: string): Promise<number> {
  const response = await fetch(`${url}/metrics`, { signal: AbortSignal.timeout(2_000) });
  const lines = (await response.text()).split('\n');
  return lines
    .filter((line) => line.startsWith(`${metric}{`) || line.startsWith(`${metric} `))
    .reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
}
