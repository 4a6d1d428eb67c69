/** `POST /mcp`: the Model Context Protocol. Its package is optional, and loaded with the first request. */

import { type NextFunction, type Request, type Response, Router, raw } from 'express';
import type { Gate } from '../auth/gate.js';
import { HubError } from '../errors.js';
import type { McpOptions } from '../mcp/tools.js';
import { MessageWaits } from '../mcp/waits.js';
import { loadOptional } from '../optional-packages.js';
import { authenticating, crossOrigin, principalOf } from './authenticating.js';
import { bodyText, parseJson } from './body.js';
import { EXACT } from './exact.js';

/** What goes around a message in a call. */
const ENVELOPE_BYTES = 16 * 1024;
/** Of a client without a token, which cannot publish. */
const ANONYMOUS_BYTES = 16 * 1024;

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
  const options: McpOptions = { ...parts, waits: new MessageWaits() };
  // Whatever its type: the package would read a body that is left here itself, up to 4 MiB.
  const anonymous = raw({ type: () => true, limit: ANONYMOUS_BYTES });
  const named = raw({ type: () => true, limit: maxMessageBytes + ENVELOPE_BYTES });
  router.post(
    '/mcp',
    crossOrigin(gate),
    (request: Request, _response: Response, next: NextFunction) => {
      // A page whose origin may not connect may not call either, whatever its token.
      gate.checkPage(request);
      next();
    },
    authenticating(gate),
    (request: Request, response: Response, next: NextFunction) => {
      const read = principalOf(response).subject === undefined ? anonymous : named;
      read(request, response, next);
    },
    async (request: Request, response: Response) => {
      const principal = principalOf(response);
      const body = parseJson(bodyText(request.body), 'body');
      if (Array.isArray(body)) {
        throw new HubError('bad_request', 'body: batches are not read; send one call at a time', {
          field: 'body',
        });
      }
      gate.costs.charge(request, principal, 'calls', 1);
      const { answerMcp } = await load();
      const caller = {
        principal,
        meter: gate.costs.meter(request, principal),
        address: gate.costs.payingAddress(request),
        spendPublishes: (count: number) => gate.spendPublishes(principal, count),
      };
      await answerMcp(options, caller, { request, response, body });
    },
  );
  return router;
}
