/** The hub as it is installed, started by `npx`. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { freePorts } from '../../dist/server/local-cluster/ports.js';
import { must, npmProgram, plainEnvironment, run } from './commands.mjs';

const START_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 30_000;
const TOKEN = 'the-key-of-pack-check';

/** An archive is asked for, and its driver is not installed. */
export async function tellsWhatIsMissing(folder) {
  const [program, ...before] = npmProgram('npx');
  const env = { PORT: String(await freePorts(1)), ARCHIVE_URL: 'postgres://localhost/none' };
  const text = await run(program, [...before, 'axiom-streaming', 'start'], { cwd: folder, env, fails: true });
  const line = /ARCHIVE_URL needs the package pg: npm install pg@\d+\.\d+\.\d+/;
  must(line.test(text), `without pg, ARCHIVE_URL is answered with:\n${text}`);
}

/** Starts `npx axiom-streaming start` on a free port. @returns when it is ready */
export async function startHub(folder) {
  const port = await freePorts(1);
  const url = `http://127.0.0.1:${port}`;
  const [program, ...before] = npmProgram('npx');
  const child = spawn(program, [...before, 'axiom-streaming', 'start'], {
    cwd: folder,
    env: plainEnvironment({ PORT: String(port), PUBLISH_KEY: TOKEN }),
    stdio: ['ignore', 'pipe', 'pipe'],
    // A group of its own: npx starts the hub through a shell, and all of it has to end.
    detached: process.platform !== 'win32',
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (text += chunk));
  const deadline = Date.now() + START_WITHIN_MS;
  while (!(await isReady(url))) {
    must(child.exitCode === null, `the hub ended with ${child.exitCode}:\n${text}`);
    must(Date.now() < deadline, `the hub is not ready after ${START_WITHIN_MS / 1000} s; it wrote:\n${text}`);
    await delay(100);
  }
  return { url, token: TOKEN, serves: () => serves(url), stop: () => stop(child) };
}

async function isReady(url) {
  return fetch(`${url}/health/ready`).then(
    ({ ok }) => ok,
    () => false,
  );
}

/** The page with its scripts, the documents, a price of the demo, and a clear answer where a package is missing. */
async function serves(url) {
  const page = await text(`${url}/`);
  const [, script] = /<script[^>]+src="([^"]+)"/.exec(page) ?? [];
  must(script !== undefined, 'the page has no script');
  await text(new URL(script, url));
  await text(`${url}/docs/`);
  const { messages } = JSON.parse(await text(`${url}/api/topics/market:AAPL/messages?limit=1`));
  must(messages.length === 1, 'the demo has published no price');
  const response = await fetch(`${url}/mcp`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${TOKEN}`, 'Content-Type': 'application/json' },
    body: '{}',
  });
  const { detail = '' } = await response.json();
  must(
    /^MCP needs the package \S+: npm install \S+$/.test(detail),
    `without its package, /mcp says: ${detail}`,
  );
}

async function text(url) {
  const response = await fetch(url);
  must(response.ok, `${url} answers ${response.status}`);
  return response.text();
}

async function stop(child) {
  if (child.exitCode !== null) return;
  const ended = once(child, 'exit');
  if (process.platform === 'win32') child.kill();
  else process.kill(-child.pid, 'SIGTERM');
  const late = delay(STOP_WITHIN_MS, 'late', { ref: false });
  if ((await Promise.race([ended, late])) !== 'late') return;
  if (process.platform !== 'win32') process.kill(-child.pid, 'SIGKILL');
  throw new Error(`the hub has not stopped after ${STOP_WITHIN_MS / 1000} s`);
}
