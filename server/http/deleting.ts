/** Deletes keys, and what streams hold. */
import { type Request, type Response, Router } from 'express';
import type { Gate } from '../auth/gate.js';
import type { Hub } from '../hub/hub.js';
import { deleteTopic } from '../hub/operations/deletion.js';
import type { Logger } from '../logger.js';
import { requireAdmin } from './authenticating.js';
import { EXACT } from './exact.js';

export interface DeletingOptions {
  readonly hub: Hub;
  readonly gate: Gate;
  readonly logger: Logger;
}

export function deletingRoutes({ hub, gate, logger }: DeletingOptions): Router {
  const router = Router(EXACT);

  router.delete('/api/topics/:topic', async (request: Request<{ topic: string }>, response: Response) => {
    const principal = requireAdmin(response);
    await gate.costs.spend(request, 'deletions', principal);
    const deleted = await deleteTopic(hub, request.params.topic, 'topic');
    logger.warn(
      { audit: 'delete', ...deleted, subject: principal.subject, address: gate.address(request) },
      'http: an administrator has deleted a topic',
    );
    response.json(deleted);
  });
  return router;
}
