/** `POST /mcp`: the Model Context Protocol over streamable HTTP, without sessions. */

import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';
import { json, type NextFunction, type Request, type Response, Router } from 'express';
import type { Gate } from '../auth/gate.js';
import { createMcpServer, type McpOptions } from '../mcp/tools.js';
import { authenticating, crossOrigin, principalOf } from './authenticating.js';
import { EXACT } from './exact.js';

/** What goes around a message in a call. */
const ENVELOPE_BYTES = 16 * 1024;
const MAX_WAITS = 200;

export interface McpRouteOptions extends Omit<McpOptions, 'waits'> {
  readonly gate: Gate;
  readonly maxMessageBytes: number;
}

export function mcpRoute({ gate, maxMessageBytes, ...parts }: McpRouteOptions): Router {
  const router = Router(EXACT);
  const options: McpOptions = { ...parts, waits: { max: MAX_WAITS, now: 0 } };
  router.post(
    '/mcp',
    crossOrigin(gate),
    (request: Request, _response: Response, next: NextFunction) => {
      // A page that may not connect may not call either, whatever it brings.
      gate.checkPage(request);
      next();
    },
    authenticating(gate),
    json({ limit: maxMessageBytes + ENVELOPE_BYTES }),
    async (request: Request, response: Response) => {
      await gate.spendRequest(request);
      const principal = principalOf(response);
      const server = createMcpServer(options, {
        principal,
        spendPublishes: (count) => gate.spendPublishes(principal, count),
      });
      const transport = new StreamableHTTPServerTransport({ enableJsonResponse: true });
      response.on('close', () => void server.close());
      // Its optional members are declared in a way that a strict compiler tells apart.
      await server.connect(transport as Transport);
      await transport.handleRequest(request, response, request.body);
    },
  );
  return router;
}
