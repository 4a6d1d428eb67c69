/** `POST /mcp`: the Model Context Protocol. Its package is optional, and loaded with the first request. */

import { json, type NextFunction, type Request, type Response, Router } from 'express';
import type { Gate } from '../auth/gate.js';
import { HubError } from '../errors.js';
import type { McpOptions } from '../mcp/tools.js';
import { loadOptional } from '../optional-packages.js';
import { authenticating, crossOrigin, principalOf } from './authenticating.js';
import { EXACT } from './exact.js';

/** What goes around a message in a call. */
const ENVELOPE_BYTES = 16 * 1024;
const MAX_WAITS = 200;

export interface McpRouteOptions extends Omit<McpOptions, 'waits'> {
  readonly gate: Gate;
  readonly maxMessageBytes: number;
}

/** @throws HubError `unsupported`, saying what to install, if the package is missing. */
async function load(): Promise<typeof import('../mcp/answer.js')> {
  try {
    return await loadOptional('MCP', ['@modelcontextprotocol/sdk'], () => import('../mcp/answer.js'));
  } catch (error) {
    throw new HubError('unsupported', (error as Error).message, { cause: error });
  }
}

export function mcpRoute({ gate, maxMessageBytes, ...parts }: McpRouteOptions): Router {
  const router = Router(EXACT);
  const options: McpOptions = { ...parts, waits: { max: MAX_WAITS, now: 0 } };
  router.post(
    '/mcp',
    crossOrigin(gate),
    (request: Request, _response: Response, next: NextFunction) => {
      // A page whose origin may not connect may not call either, whatever its token.
      gate.checkPage(request);
      next();
    },
    authenticating(gate),
    json({ limit: maxMessageBytes + ENVELOPE_BYTES }),
    async (request: Request, response: Response) => {
      const principal = principalOf(response);
      gate.costs.charge(request, principal, 'calls', Array.isArray(request.body) ? request.body.length : 1);
      const { answerMcp } = await load();
      const caller = {
        principal,
        meter: gate.costs.meter(request, principal),
        spendPublishes: (count: number) => gate.spendPublishes(principal, count),
      };
      await answerMcp(options, caller, { request, response, body: request.body });
    },
  );
  return router;
}
