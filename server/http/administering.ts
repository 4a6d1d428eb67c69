/** Tickets, revocations, bans, and the connections of the whole cluster. */
import { json, type NextFunction, type Request, type Response, Router } from 'express';
import type { ConnectionDirectory } from '../auth/directory.js';
import type { Gate } from '../auth/gate.js';
import { banRequest, revocationRequest } from '../auth/revocation-request.js';
import { HubError } from '../errors.js';
import { parseRequest } from '../hub/operations/fields.js';
import { principalOf, requireAdmin } from './authenticating.js';
import { EXACT } from './exact.js';

export interface AdministeringOptions {
  readonly gate: Gate;
  readonly connections: ConnectionDirectory;
}

const MAX_BODY_BYTES = 4 * 1024;
const MAX_LISTED = 1_000;

export function administeringRoutes(options: AdministeringOptions): Router {
  const { gate, connections } = options;
  const router = Router(EXACT);

  router.post('/api/tickets', async (request: Request, response: Response) => {
    const principal = principalOf(response);
    await gate.costs.spend(request, 'tickets', principal);
    response.status(201).json(await gate.issueTicket(principal));
  });

  router.post(
    '/api/revocations',
    (_request: Request, response: Response, next: NextFunction) => {
      requireAdmin(response);
      next();
    },
    json({ type: () => true, limit: MAX_BODY_BYTES }),
    async (request: Request, response: Response) => {
      const revoked = await gate.revoke(parseRequest(revocationRequest, request.body));
      const { kind, value, at, expiresAt, apiKey } = revoked;
      response.status(201).json({ [kind]: value, at, expiresAt, apiKey });
    },
  );

  router.post(
    '/api/bans',
    (_request: Request, response: Response, next: NextFunction) => {
      requireAdmin(response);
      next();
    },
    json({ type: () => true, limit: MAX_BODY_BYTES }),
    async (request: Request, response: Response) => {
      const { sub, connection, forMs } = parseRequest(banRequest, request.body);
      const who = sub === undefined ? await whoHas(connection!) : { sub };
      if (who.sub !== undefined && who.sub === principalOf(response).subject) {
        throw new HubError('bad_request', 'sub: is your own; you could not end the ban', { field: 'sub' });
      }
      const until =
        who.sub === undefined
          ? await gate.ban('address', who.address, forMs)
          : await gate.ban('sub', who.sub, forMs);
      response.status(201).json({ ...who, until });
    },
  );

  /** The subject of a connection, or its address if it has none. @throws HubError `not_found` */
  async function whoHas(id: string): Promise<{ sub: string } | { sub?: undefined; address: string }> {
    const found = await connections.find(id);
    if (found === undefined) throw noConnection(id, 'connection');
    return found.subject === null ? { address: found.address } : { sub: found.subject };
  }

  router.get('/api/connections', async (_request: Request, response: Response) => {
    requireAdmin(response);
    response.json(await connections.list(MAX_LISTED));
  });

  router.get('/api/connections/:id', async (request: Request<{ id: string }>, response: Response) => {
    requireAdmin(response);
    const found = await connections.find(request.params.id);
    if (found === undefined) throw noConnection(request.params.id);
    response.json(found);
  });

  router.delete('/api/connections/:id', async (request: Request<{ id: string }>, response: Response) => {
    requireAdmin(response);
    if (!(await connections.cut(request.params.id))) throw noConnection(request.params.id);
    response.status(204).end();
  });
  return router;
}

function noConnection(id: string, field = 'id'): HubError {
  return new HubError('not_found', `${field}: there is no connection "${id.slice(0, 100)}"`, { field });
}
