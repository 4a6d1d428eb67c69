/** The addresses that programs ask for, as the README's table of HTTP names them. */
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { type Answer, call } from '../support/http.js';
import { check, type Hub } from './hub.js';

/** One address, and how it is asked. */
interface Address {
  /** As the README has it, without its query. */
  readonly name: string;
  readonly ask: (hub: Hub) => Promise<unknown>;
}

const TOPIC = 'news:verify';

const request =
  (method: string, path: string, status: number, holds: (answer: Answer) => boolean, body?: string) =>
  async ({ url, token }: Hub): Promise<number> => {
    const answer = await call(method, `${url}${path}`, body, { Authorization: `Bearer ${token}` });
    check(answer.status === status && holds(answer), { method, path, ...answer });
    return answer.status;
  };

const get = (path: string, holds: (body: Record<string, unknown>) => boolean) =>
  request('GET', path, 200, ({ body }) => holds(body));

const hasMessages = ({ messages }: Record<string, unknown>) => Array.isArray(messages) && messages.length > 0;

/**
 * Every address of the README that is not a page or a socket, in an order in which one fills what the next one reads.
 */
export const ADDRESSES: readonly Address[] = [
  {
    name: 'POST /api/topics/{topic}/messages',
    ask: request('POST', `/api/topics/${TOPIC}/messages`, 201, ({ body }) => Number(body.seq) > 0, '{"n":1}'),
  },
  {
    name: 'POST /api/messages',
    ask: request(
      'POST',
      '/api/messages',
      200,
      ({ body }) => (body.results as { ok: boolean }[]).every(({ ok }) => ok),
      JSON.stringify([
        { topic: TOPIC, data: 2 },
        { topic: TOPIC, data: 3 },
      ]),
    ),
  },
  {
    name: 'GET /api/topics/{topic}/messages',
    ask: get(`/api/topics/${TOPIC}/messages?limit=5`, hasMessages),
  },
  {
    name: 'GET /api/topics/{topic}',
    ask: get(`/api/topics/${TOPIC}`, ({ last }) => (last as { data?: unknown }).data === 3),
  },
  {
    name: 'DELETE /api/topics/{topic}',
    ask: request('DELETE', '/api/topics/news:verify-none', 404, ({ body }) => body.code === 'not_found'),
  },
  { name: 'GET /api/streams', ask: get('/api/streams', ({ streams }) => (streams as unknown[]).length >= 5) },
  { name: 'GET /api/streams/{stream}', ask: get('/api/streams/market', ({ name }) => name === 'market') },
  { name: 'POST /mcp', ask: listTools },
  { name: 'GET /api/nodes', ask: get('/api/nodes', ({ nodes }) => (nodes as unknown[]).length === 3) },
  { name: 'POST /api/tickets', ask: readByTicket },
  {
    name: 'POST /api/revocations',
    ask: request('POST', '/api/revocations', 201, () => true, '{"jti":"verify-compose-none"}'),
  },
  {
    name: 'POST /api/bans',
    ask: request('POST', '/api/bans', 201, () => true, '{"sub":"verify-compose-none","forMs":0}'),
  },
  {
    name: 'GET /api/connections',
    ask: get('/api/connections', ({ connections }) => Array.isArray(connections)),
  },
  {
    name: 'DELETE /api/connections/{id}',
    ask: request('DELETE', '/api/connections/none', 404, ({ body }) => body.code === 'not_found'),
  },
  {
    name: 'GET /health',
    ask: get('/health', (body) => body.instances === 3 && body.redis_connected === true),
  },
  { name: 'GET /health/live', ask: get('/health/live', () => true) },
  { name: 'GET /health/ready', ask: get('/health/ready', () => true) },
  // Prometheus asks the nodes themselves.
  { name: 'GET /metrics', ask: request('GET', '/metrics', 403, () => true) },
  {
    name: 'GET /openapi.json',
    ask: get('/openapi.json', ({ openapi }) => String(openapi).startsWith('3.1')),
  },
  {
    name: 'GET /asyncapi.json',
    ask: get('/asyncapi.json', ({ asyncapi }) => String(asyncapi).startsWith('3.')),
  },
];

/** Asks for all of them in turn. @returns a line for each @throws Error with the first answer that is wrong */
export async function* answers(hub: Hub): AsyncGenerator<string> {
  for (const { name, ask } of ADDRESSES) yield `${name}: ${await ask(hub)}`;
}

async function listTools({ url, token }: Hub): Promise<string> {
  const client = new Client({ name: 'verify', version: '1.0.0' });
  const headers = { Authorization: `Bearer ${token}` };
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`${url}/mcp`), { requestInit: { headers } }) as Transport,
  );
  const { tools } = await client.listTools();
  check(tools.length > 0, tools);
  await client.close();
  return `${tools.length} tools`;
}

/** A ticket opens one event stream. */
async function readByTicket({ url, token }: Hub): Promise<string> {
  const { status, body } = await call('POST', `${url}/api/tickets`, undefined, {
    Authorization: `Bearer ${token}`,
  });
  check(status === 201, { status, body });
  const stream = await fetch(
    `${url}/stream?topics=${TOPIC}&ticket=${encodeURIComponent(String(body.ticket))}`,
  );
  check(stream.status === 200, { stream: stream.status });
  await stream.body?.cancel();
  return '201, and /stream takes it';
}
