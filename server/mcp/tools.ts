/**
 * The hub for language models, over the Model Context Protocol: tools to list streams, read, publish and wait, and
 * topics as resources. A tool may do what the bearer of the request's token may do; there are no separate permissions.
 *
 * A server is made for each request and nothing is kept between requests, so any node can answer any of them.
 */

import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { errorBody } from '../errors.js';
import type { Hub } from '../hub/hub.js';
import { readHistory } from '../hub/operations/history.js';
import { publicationId } from '../hub/operations/publish.js';
import { dataText, type Publisher } from '../hub/operations/publisher.js';
import type { Caller } from './caller.js';
import { ANSWER_MAX_BYTES, describeStreams, historyOf, latest } from './reading.js';
import { registerTopics } from './resources.js';
import { waitForMessages } from './wait.js';
import type { MessageWaits } from './waits.js';

/** Messages in one answer; few, because a model reads all of them. */
const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 200;
const DEFAULT_WAIT_S = 20;
/** Shorter than proxies usually wait for a response. */
const MAX_WAIT_S = 50;

const topic = z.string().describe('stream:key, e.g. market:AAPL, or stream:* for all of a stream');
const limit = z.number().int().min(1).max(MAX_LIMIT).default(DEFAULT_LIMIT);
const since = z.string().min(1).max(4096).optional();

export interface McpOptions {
  readonly hub: Hub;
  readonly publisher: Publisher;
  readonly version: string;
  readonly waits: MessageWaits;
}

/** The server that answers one request. */
export function createMcpServer({ hub, publisher, version, waits }: McpOptions, caller: Caller): McpServer {
  const { principal, meter } = caller;
  const server = new McpServer(
    { name: 'axiom-streaming', version },
    {
      instructions:
        'Ordered real-time streams. A topic is stream:key, or stream:* for a whole stream. Answers carry a cursor: pass it as since to get only later messages.',
    },
  );

  server.registerTool(
    'list_streams',
    {
      description:
        'The streams that you may read, each with its class, its newest position and some of its topics. With stream, more topics of that one; where moreTopics is true, pass the last topic as after to go on.',
      inputSchema: {
        stream: z.string().optional(),
        after: z.string().optional().describe('a topic of the stream'),
      },
      annotations: { readOnlyHint: true },
    },
    (request) => answer(() => describeStreams(hub, request, caller)),
  );

  server.registerTool(
    'read_topic',
    {
      description:
        'Messages of a topic, oldest first: the newest ones, or with since those after a cursor. Large messages may leave room for fewer. recovered: false means that some are no longer stored.',
      inputSchema: { topic, since, limit },
      annotations: { readOnlyHint: true },
    },
    (request) =>
      answer(async () => {
        const bounded = { ...request, maxBytes: ANSWER_MAX_BYTES };
        return historyOf(await readHistory(hub, bounded, principal, meter));
      }),
  );

  server.registerTool(
    'latest',
    {
      description:
        'The newest message of a topic; for stream:*, the newest message of each key, newest first. Where more is true, pass before to go on.',
      inputSchema: { topic, limit, before: z.number().int().positive().optional() },
      annotations: { readOnlyHint: true },
    },
    (request) => answer(() => latest(hub, request, caller)),
  );

  server.registerTool(
    'publish',
    {
      description:
        'Publishes one message. With an id, a repeat within five minutes does nothing: it returns the result of the first, with duplicate: true.',
      inputSchema: {
        topic: z.string().describe('stream:key, e.g. analysis:AAPL'),
        data: z.unknown().describe('any JSON value'),
        id: publicationId.optional(),
      },
    },
    ({ topic, data, id }) =>
      answer(async () => {
        await caller.spendPublishes(1);
        return publisher.publish({ topic, data: dataText(data ?? null), id }, principal);
      }),
  );

  server.registerTool(
    'wait_for_message',
    {
      description:
        'Waits for the next message of a topic, or for messages after a cursor, which are returned at once if there are any. messages is empty when the time is up; pass the cursor as since to continue without missing any.',
      inputSchema: {
        topic,
        since,
        limit,
        timeout_seconds: z.number().min(0.1).max(MAX_WAIT_S).default(DEFAULT_WAIT_S),
      },
      annotations: { readOnlyHint: true },
    },
    ({ timeout_seconds, ...request }, { signal }) =>
      answer(async () => {
        const waiting = { ...request, maxBytes: ANSWER_MAX_BYTES, timeoutMs: timeout_seconds * 1000, signal };
        return historyOf(await waitForMessages(hub, waits, waiting, caller));
      }),
  );
  registerTopics(server, hub, caller);
  return server;
}

/** The answer of a tool: JSON, also for a refusal. */
async function answer(work: () => object | Promise<object>): Promise<CallToolResult> {
  try {
    const result = await work();
    return {
      content: [{ type: 'text', text: JSON.stringify(result) }],
      structuredContent: result as Record<string, unknown>,
    };
  } catch (error) {
    return { isError: true, content: [{ type: 'text', text: JSON.stringify(errorBody(error)) }] };
  }
}
