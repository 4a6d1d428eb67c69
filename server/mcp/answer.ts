/** One request in the Model Context Protocol over streamable HTTP, without sessions. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import type { Caller } from './caller.js';
import { createMcpServer, type McpOptions } from './tools.js';

/** Answers a request whose body has been parsed, and whose caller is known. */
export async function answerMcp(
  options: McpOptions,
  caller: Caller,
  { request, response, body }: { request: IncomingMessage; response: ServerResponse; body: unknown },
): Promise<void> {
  const server = createMcpServer(options, caller);
  const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
  response.on('close', () => void server.close());
  // Its optional members are declared in a way that a strict compiler tells apart.
  await server.connect(transport as Transport);
  await transport.handleRequest(request, response, body);
}
