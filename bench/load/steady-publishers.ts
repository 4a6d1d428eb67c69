/** Well-behaved publishers over HTTP: each has a token, a topic and a connection of its own, and repeats what is refused. */
import { Agent, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';

export interface SteadyOrder {
  readonly port: number;
  /** One for each publisher. */
  readonly tokens: readonly string[];
  /** Messages per second of each. */
  readonly perSecond: number;
}

const RETRY_MS = 100;

process.on('message', ({ port, tokens, perSecond }: SteadyOrder) => {
  tokens.forEach((token, i) => void publish(port, token, `P${i}`, perSecond));
});

async function publish(port: number, token: string, key: string, perSecond: number): Promise<void> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const started = performance.now() + Math.random() * 1000;
  for (let n = 0; ; n++) {
    await delay(Math.max(0, started + (n * 1000) / perSecond - performance.now()));
    const at = process.hrtime.bigint();
    // The id makes the repeat of a publish whose answer was lost harmless.
    while (!(await post({ port, agent, token, key, id: `${n}`, body: `{"k":"${key}","n":${n},"at":${at}}` })))
      await delay(RETRY_MS);
  }
}

/** @returns whether it was taken */
function post(it: {
  port: number;
  agent: Agent;
  token: string;
  key: string;
  id: string;
  body: string;
}): Promise<boolean> {
  return new Promise((resolve) => {
    const sent = request({
      host: '127.0.0.1',
      port: it.port,
      method: 'POST',
      path: `/api/topics/market:${it.key}/messages`,
      agent: it.agent,
      headers: { Authorization: `Bearer ${it.token}`, 'Idempotency-Key': it.id },
    });
    sent.on('response', (response) => {
      response.resume();
      response.on('close', () => resolve(response.statusCode === 201));
    });
    sent.on('error', () => resolve(false));
    sent.end(it.body);
  });
}
