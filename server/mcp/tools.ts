/**
 * The hub for language models, over the Model Context Protocol: tools to list streams, read, publish and wait, and
 * topics as resources. A tool may do what the bearer of the request's token may do; there are no separate permissions.
 *
 * A server is made for each request and nothing is kept between requests, so any node can answer any of them.
 */

import { formatPosition } from '@axiom-streaming/protocol/cursor';
import { ALL_KEYS, topicName } from '@axiom-streaming/protocol/topic';
import { McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import type { CallToolResult } from '@modelcontextprotocol/sdk/types.js';
import { z } from 'zod';
import { errorBody } from '../errors.js';
import { type Meter, type Principal, requireRead } from '../hub/access.js';
import type { Hub } from '../hub/hub.js';
import { type History, readHistory } from '../hub/operations/history.js';
import { publicationId } from '../hub/operations/publish.js';
import { dataText, type Publisher } from '../hub/operations/publisher.js';
import type { StreamMessage } from '../hub/tail/stream-message.js';
import { type MessageWaits, waitForMessages } from './wait.js';

/** Messages in one answer; few, because a model reads all of them. */
const DEFAULT_LIMIT = 20;
const MAX_LIMIT = 200;
const MAX_TOPICS = 500;
const RESOURCE_MESSAGES = 10;
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

/** The caller of one request. */
export interface Caller {
  readonly principal: Principal;
  /** What reading is charged to. */
  readonly meter: Meter;
  /** Charges publishes to the caller's rate limit. @throws HubError `rate_limited`. */
  spendPublishes(count: number): void | Promise<void>;
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
        'The streams that you may read, each with its class, its newest position and some of its topics.',
      annotations: { readOnlyHint: true },
    },
    () => answer(() => ({ streams: describeStreams(hub, principal) })),
  );

  server.registerTool(
    'read_topic',
    {
      description:
        'Messages of a topic, oldest first: the newest ones, or with since those after a cursor. recovered: false means that some are no longer stored.',
      inputSchema: { topic, since, limit },
      annotations: { readOnlyHint: true },
    },
    (request) => answer(async () => historyOf(await readHistory(hub, request, principal, meter))),
  );

  server.registerTool(
    'latest',
    {
      description: 'The newest message of a topic; for stream:*, the newest message of each key.',
      inputSchema: { topic, limit },
      annotations: { readOnlyHint: true },
    },
    (request) => answer(() => latest(hub, principal, request)),
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
        const waiting = { ...request, timeoutMs: timeout_seconds * 1000, signal };
        return historyOf(await waitForMessages(hub, waits, waiting, caller));
      }),
  );

  server.registerResource(
    'topic',
    new ResourceTemplate('axiom:///topics/{+topic}', {
      list: () => ({
        resources: topicsOf(hub, principal).map((name) => ({
          uri: `axiom:///topics/${name}`,
          name,
          mimeType: 'application/json',
        })),
      }),
    }),
    { description: 'The newest messages of a topic.', mimeType: 'application/json' },
    async (uri, variables) => {
      const history = await readHistory(
        hub,
        { topic: decodeURIComponent(String(variables.topic)), limit: RESOURCE_MESSAGES },
        principal,
        meter,
      );
      return {
        contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify(historyOf(history)) }],
      };
    },
  );
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

function historyOf({ messages, ...history }: History) {
  return { ...history, messages: messages.map(parsed) };
}

function parsed({ text }: StreamMessage): unknown {
  return JSON.parse(text);
}

function latest(hub: Hub, principal: Principal, { topic, limit }: { topic: string; limit: number }) {
  const { stream, key } = hub.topic(topic, 'topic');
  requireRead(principal, { stream, key }, 'topic');
  const { tail } = hub.stream(stream);
  const found =
    key === ALL_KEYS
      ? [...tail.lastValues.values()].sort((a, b) => b.seq - a.seq)
      : [tail.lastValues.get(key)].filter((message) => message !== undefined);
  return {
    topic: topicName(stream, key),
    cursor: formatPosition(stream, tail.epoch, tail.last),
    messages: found.slice(0, limit).map(parsed),
    more: found.length > limit,
  };
}

function describeStreams(hub: Hub, principal: Principal) {
  return [...hub.streams.values()]
    .filter(({ config }) => principal.sees(config.name))
    .map(({ config: { name, class: streamClass }, tail }) => {
      const topics = readable(hub, principal, name);
      return {
        name,
        class: streamClass,
        lastSeq: tail.last,
        cursor: formatPosition(name, tail.epoch, tail.last),
        topics: topics.slice(0, DEFAULT_LIMIT),
        moreTopics: topics.length > DEFAULT_LIMIT,
      };
    });
}

function topicsOf(hub: Hub, principal: Principal): string[] {
  return [...hub.streams.keys()].flatMap((stream) => readable(hub, principal, stream)).slice(0, MAX_TOPICS);
}

function readable(hub: Hub, principal: Principal, stream: string): string[] {
  return [...hub.stream(stream).tail.lastValues.keys()]
    .filter((key) => principal.mayRead({ stream, key }))
    .sort()
    .map((key) => topicName(stream, key));
}
