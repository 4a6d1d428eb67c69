/** Current topics and streams, and history. */

import { formatPosition } from '@axiom-streaming/protocol/cursor';
import { ALL_KEYS, topicName } from '@axiom-streaming/protocol/topic';
import { type Request, type Response, Router } from 'express';
import type { Gate } from '../auth/gate.js';
import { HubError } from '../errors.js';
import { requireRead } from '../hub/access.js';
import type { Hub, HubStream } from '../hub/hub.js';
import { parseRequest } from '../hub/operations/fields.js';
import { historyRequest, readHistory } from '../hub/operations/history.js';
import { listKeys } from '../hub/operations/key-list.js';
import type { LastValues } from '../hub/tail/last-values.js';
import type { StreamMessage } from '../hub/tail/stream-message.js';
import { principalOf } from './authenticating.js';
import { EXACT } from './exact.js';

export interface ReadingOptions {
  readonly hub: Hub;
  readonly gate: Gate;
}

/** Most topics listed in one answer. */
const LIST_MAX_TOPICS = 1000;

export function readingRoutes({ hub, gate }: ReadingOptions): Router {
  const router = Router(EXACT);

  router.get('/api/streams', (_request: Request, response: Response) => {
    const principal = principalOf(response);
    const streams = [...hub.streams.values()].filter(({ config }) => principal.sees(config.name));
    response.json({ streams: streams.map(describeStream) });
  });

  router.get('/api/streams/:stream', async (request: Request<{ stream: string }>, response: Response) => {
    const principal = principalOf(response);
    const stream = hub.stream(request.params.stream, 'stream');
    const { name } = stream.config;
    // A principal that may read part of a stream sees that part; one that may not read any does not even see its
    // position.
    if (!principal.sees(name)) requireRead(principal, { stream: name, key: ALL_KEYS }, 'stream');
    const accepts = (key: string) => principal.mayRead({ stream: name, key });
    const { keys, more } = await listKeys(
      stream.tail.lastValues,
      { count: LIST_MAX_TOPICS, accepts },
      gate.costs.meter(request, principal),
    );
    response.json({
      ...describeStream(stream),
      topics: keys.map((key) => topicName(name, key)),
      moreTopics: more,
    });
  });

  router.get('/api/topics/:topic', (request: Request<{ topic: string }>, response: Response) => {
    const { stream, key } = hub.topic(request.params.topic, 'topic');
    requireRead(principalOf(response), { stream, key }, 'topic');
    const { tail, config } = hub.stream(stream);
    // After a start the newest message may be unknown: it has deleted its key.
    const last = key === ALL_KEYS ? (tail.newest ?? newestOf(tail.lastValues)) : tail.lastValues.get(key);
    if (last === undefined) {
      throw new HubError('not_found', `topic: "${request.params.topic}" has no value`, {
        field: 'topic',
      });
    }
    response
      .type('json')
      .send(
        `{"topic":"${topicName(stream, key)}","class":"${config.class}","epoch":"${tail.epoch}","last":${last.text}}`,
      );
  });

  router.get(
    '/api/topics/:topic/messages',
    async (request: Request<{ topic: string }>, response: Response) => {
      const principal = principalOf(response);
      const { since, limit } = request.query;
      const wanted = parseRequest(historyRequest, {
        topic: request.params.topic,
        since,
        limit: limit === undefined ? undefined : Number(limit),
      });
      const { messages, ...history } = await readHistory(
        hub,
        wanted,
        principal,
        gate.costs.meter(request, principal),
      );
      const head = JSON.stringify(history).slice(0, -1);
      response.type('json').send(`${head},"messages":[${messages.map(({ text }) => text).join(',')}]}`);
    },
  );
  return router;
}

function newestOf(values: LastValues): StreamMessage | undefined {
  let newest: StreamMessage | undefined;
  for (const message of values.values())
    if (newest === undefined || message.seq > newest.seq) newest = message;
  return newest;
}

function describeStream({ config, tail }: HubStream) {
  const { name, maxMessages, maxAgeMs, maxBytes, maxKeys } = config;
  return {
    name,
    class: config.class,
    live: tail.live,
    epoch: tail.epoch,
    lastSeq: tail.last,
    cursor: formatPosition(name, tail.epoch, tail.last),
    keys: tail.lastValues.size,
    retention: { maxMessages, maxAgeMs, maxBytes, maxKeys },
  };
}
