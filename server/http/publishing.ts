/** `POST /api/topics/{topic}/messages` and `POST /api/messages`. */
import { type Request, type Response, Router, raw } from 'express';
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
import { bodyText, headerText, parseJson } from './body.js';
import { EXACT } from './exact.js';

/** Errors of a log that takes nothing at the moment. */
const NOT_NOW: ReadonlySet<string> = new Set(['log_unavailable', 'storage_full']);

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

  const many = raw({ type: () => true, limit: maxBatchBytes });
  router.post('/api/messages', needsToken, many, async (request: Request, response: Response) => {
    const text = bodyText(request.body);
    const items = readItems(text);
    if (items.length > maxBatchItems) {
      throw new HubError(
        'batch_too_large',
        `body: ${items.length} messages; a batch has at most ${maxBatchItems}`,
        {
          field: 'body',
        },
      );
    }
    const principal = principalOf(response);
    await gate.spendPublishes(principal, items.length);
    response.json({ results: await publishItems(publisher, items, principal, request.get('traceparent')) });
  });
  return router;
}

/** A JSON array, or one JSON value per line; lines are counted from 1, empty ones too. */
function readItems(text: string): unknown[] {
  if (text.trim() === '') throw new HubError('bad_json', 'body is empty', { field: 'body' });
  if (/^\s*\[/.test(text)) return parseJson(text, 'body') as unknown[];
  return text
    .split(/\r?\n/)
    .flatMap((line, i) => (line.trim() === '' ? [] : [parseJson(line, `line ${i + 1}`)]));
}

/** Invalid items get their own results, like those that the log refuses. */
async function publishItems(
  publisher: Publisher,
  items: readonly unknown[],
  principal: Principal,
  batchTrace: string | undefined,
): Promise<PublishResult[]> {
  const results = new Array<PublishResult>(items.length);
  const publications: Publication[] = [];
  const indexes: number[] = [];
  items.forEach((item, i) => {
    try {
      const { topic, data, id, traceparent = batchTrace } = parseRequest(publishRequest, item);
      publications.push({ topic, data: dataText(data), id, traceparent });
      indexes.push(i);
    } catch (error) {
      results[i] = { ok: false, error: errorBody(error) };
    }
  });
  const outcomes = await publisher.publishAll(publications, principal);
  outcomes.forEach((outcome, i) => {
    results[indexes[i]!] = outcome;
  });
  // Nothing was committed and everything may be retried, so the batch fails as a whole.
  const unavailable = outcomes.find((outcome) => !outcome.ok && NOT_NOW.has(outcome.error.code));
  if (unavailable !== undefined && !unavailable.ok && outcomes.every((outcome) => !outcome.ok)) {
    throw new HubError(unavailable.error.code, unavailable.error.message);
  }
  return results;
}
