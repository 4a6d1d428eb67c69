/** Topics as resources: lists of them in pages, and the newest messages of each. */
import { type McpServer, ResourceTemplate } from '@modelcontextprotocol/sdk/server/mcp.js';
import { ErrorCode, ListResourcesRequestSchema, McpError } from '@modelcontextprotocol/sdk/types.js';
import { errorBody } from '../errors.js';
import type { Hub } from '../hub/hub.js';
import { readHistory } from '../hub/operations/history.js';
import type { Caller } from './caller.js';
import { ANSWER_MAX_BYTES, historyOf, listTopics } from './reading.js';

const RESOURCE_MESSAGES = 10;

/** Offers the topics that a caller may read. */
export function registerTopics(server: McpServer, hub: Hub, caller: Caller): void {
  const { principal, meter } = caller;
  server.registerResource(
    'topic',
    new ResourceTemplate('axiom:///topics/{+topic}', {
      // In pages, which this class does not know: see below.
      list: undefined,
    }),
    { description: 'The newest messages of a topic.', mimeType: 'application/json' },
    async (uri, variables) => {
      const history = await readHistory(
        hub,
        {
          topic: decodeURIComponent(String(variables.topic)),
          limit: RESOURCE_MESSAGES,
          maxBytes: ANSWER_MAX_BYTES,
        },
        principal,
        meter,
      );
      return {
        contents: [{ uri: uri.href, mimeType: 'application/json', text: JSON.stringify(historyOf(history)) }],
      };
    },
  );
  server.server.setRequestHandler(ListResourcesRequestSchema, ({ params }) =>
    listResources(hub, params?.cursor, caller),
  );
}

async function listResources(hub: Hub, cursor: string | undefined, caller: Caller) {
  try {
    const { topics, more } = await listTopics(hub, cursor && fromCursor(cursor), caller);
    return {
      resources: topics.map((name) => ({
        uri: `axiom:///topics/${name}`,
        name,
        mimeType: 'application/json',
      })),
      ...(more ? { nextCursor: toCursor(topics.at(-1)!) } : {}),
    };
  } catch (error) {
    const { code, message } = errorBody(error);
    const isCallers = ['bad_topic', 'unknown_stream'].includes(code);
    throw new McpError(isCallers ? ErrorCode.InvalidParams : ErrorCode.InternalError, `${code}: ${message}`);
  }
}

/** A cursor is the last topic of a page; encoded, because clients must not make one themselves. */
function toCursor(name: string): string {
  return Buffer.from(name).toString('base64url');
}

function fromCursor(cursor: string): string {
  return Buffer.from(cursor, 'base64url').toString();
}
