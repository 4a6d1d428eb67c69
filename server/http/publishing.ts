/** `POST /api/topics/{topic}/messages` and `POST /api/messages`. */
import { type NextFunction, type Request, type Response, Router, raw } from 'express';
import type { Gate } from '../auth/gate.js';
import { errorBody, HubError } from '../errors.js';
import type { Principal } from '../hub/access.js';
import { parseRequest } from '../hub/operations/fields.js';
import { publicationId, publishRequest } from '../hub/operations/publish.js';
import {
  dataText,
  jsonText,
  type Publication,
  type Publisher,
  type PublishResult,
} from '../hub/operations/publisher.js';
import { needsToken, principalOf } from './authenticating.js';
import { type BatchItem, batchItems } from './batch-items.js';
import { bodyText, headerText, parseJson } from './body.js';
import { BodyBudget } from './body-budget.js';
import { EXACT } from './exact.js';

/** Around the items of a batch, for which nobody pays. */
const FREE_BODY_BYTES = 16 * 1024;
/** Errors of a log that takes nothing at the moment. */
const NOT_NOW: ReadonlySet<string> = new Set(['log_unavailable', 'storage_full']);
/** An item may have this many times the bytes of its data, for white space, and so much for what is around it. */
const ITEM_SPACE = 2;
const ITEM_ENVELOPE_BYTES = 8 * 1024;
/** Data of a batch that is checked and given to the log in one turn of the event loop. */
const PUBLISHED_AT_ONCE_BYTES = 512 * 1024;

export interface PublishingOptions {
  readonly gate: Gate;
  readonly publisher: Publisher;
  readonly maxMessageBytes: number;
  readonly maxBatchItems: number;
  readonly maxBatchBytes: number;
}

export function publishingRoutes(options: PublishingOptions): Router {
  const { gate, publisher, maxMessageBytes, maxBatchItems, maxBatchBytes } = options;
  const router = Router(EXACT);

  // The body is JSON whatever its content type: `curl -d` declares a form. White space around it does not count as
  // data.
  const one = raw({ type: () => true, limit: maxMessageBytes + 1024 });
  router.post(
    '/api/topics/:topic/messages',
    needsToken,
    (request: Request<{ topic: string }>, response: Response, next: NextFunction) => {
      const { topic } = request.params;
      const refused = publisher.refuseTopic(topic, principalOf(response), request.get('traceparent'));
      if (refused === undefined) next();
      else refused.catch(next);
    },
    one,
    async (request: Request<{ topic: string }>, response: Response) => {
      const text = bodyText(request.body);
      parseJson(text, 'body');
      const key = request.get('Idempotency-Key');
      const id = key === undefined ? undefined : headerText(key);
      if (id !== undefined && !publicationId.safeParse(id).success) {
        throw new HubError('bad_request', 'Idempotency-Key: must have 1 to 256 characters', {
          field: 'Idempotency-Key',
        });
      }
      const principal = principalOf(response);
      const spent = gate.spendPublishes(principal, 1);
      if (spent !== undefined) await spent;
      const { topic } = request.params;
      const traceparent = request.get('traceparent');
      const published = await publisher.publish({ topic, data: jsonText(text), id, traceparent }, principal);
      response.status(201).json(published);
    },
  );

  const bodies = new BodyBudget(maxBatchBytes);
  const many = raw({ type: () => true, limit: maxBatchBytes });
  const limits = {
    maxItems: maxBatchItems,
    maxItemBytes: maxMessageBytes * ITEM_SPACE + ITEM_ENVELOPE_BYTES,
  };
  router.post(
    '/api/messages',
    needsToken,
    needsGrant,
    bodies.handler,
    many,
    async (request: Request, response: Response) => {
      const body = Buffer.isBuffer(request.body) ? request.body : Buffer.alloc(0);
      const items = await batchItems(body, limits);
      const principal = principalOf(response);
      await gate.spendPublishes(principal, items.length);
      const results = await publishItems(publisher, items, principal, request.get('traceparent'));
      const taken = items.reduce((sum, { bytes }, i) => sum + (results[i]!.ok ? bytes : 0), 0);
      gate.costs.chargeItems(principal, results, body.length - taken - FREE_BODY_BYTES);
      response.json({ results });
    },
  );
  return router;
}

/** Refuses a token that may publish nothing, before the body is read. */
function needsGrant(_request: Request, response: Response, next: NextFunction): void {
  if (!principalOf(response).publishes) {
    throw new HubError('denied', 'the token does not allow to publish to any topic');
  }
  next();
}

/**
 * Publishes the items of a batch in order, some at a time: what is checked, and given to the log, takes its time too.
 * Invalid items get their own results, like those that the log refuses.
 */
async function publishItems(
  publisher: Publisher,
  items: readonly BatchItem[],
  principal: Principal,
  batchTrace: string | undefined,
): Promise<PublishResult[]> {
  const results = new Array<PublishResult>(items.length);
  const outcomes: PublishResult[] = [];
  let publications: Publication[] = [];
  let indexes: number[] = [];
  let bytes = 0;
  const publish = async () => {
    const some = await publisher.publishAll(publications, principal);
    some.forEach((outcome, i) => {
      results[indexes[i]!] = outcome;
      outcomes.push(outcome);
    });
    [publications, indexes, bytes] = [[], [], 0];
  };
  for (const [i, item] of items.entries()) {
    try {
      if (item.error !== undefined) throw item.error;
      const { topic, data, id, traceparent = batchTrace } = parseRequest(publishRequest, item.value);
      const text = dataText(data);
      publications.push({ topic, data: text, id, traceparent });
      indexes.push(i);
      bytes += text.length;
    } catch (error) {
      results[i] = { ok: false, error: errorBody(error) };
    }
    if (bytes > PUBLISHED_AT_ONCE_BYTES) await publish();
  }
  if (publications.length > 0) await publish();
  // Nothing was committed and everything may be retried, so the batch fails as a whole.
  const unavailable = outcomes.find((outcome) => !outcome.ok && NOT_NOW.has(outcome.error.code));
  if (unavailable !== undefined && !unavailable.ok && outcomes.every((outcome) => !outcome.ok)) {
    throw new HubError(unavailable.error.code, unavailable.error.message);
  }
  return results;
}
