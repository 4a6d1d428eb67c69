/** The schemas of `/openapi.json` that have names, by which generated clients call their types. */
import { z } from 'zod';
import { banForms, revocationForms } from '../../auth/revocation-request.js';
import { publishRequest } from '../../hub/operations/publish.js';
import { subscribeRequest } from '../../hub/operations/subscribe.js';
import type { Json } from './json-schema.js';
import * as schemas from './schemas.js';

const NAMED: Readonly<Record<string, z.ZodType>> = {
  Ban: schemas.ban,
  BanRequest: banForms,
  BatchResult: schemas.batchResult,
  BatchResults: schemas.batchResults,
  Connection: schemas.connection,
  Connections: schemas.connections,
  Cursor: schemas.cursor,
  Deleted: schemas.deleted,
  ErrorBody: schemas.errorBody,
  ErrorCode: schemas.errorCode,
  Health: schemas.health,
  History: schemas.history,
  JsonRpcAnswer: schemas.jsonRpcAnswer,
  JsonRpcRequest: schemas.jsonRpcRequest,
  LastMessage: schemas.lastMessage,
  Liveness: schemas.liveness,
  Message: schemas.message,
  NodeReport: schemas.nodeReport,
  NodeState: schemas.nodeState,
  Nodes: schemas.nodes,
  NotRecovered: schemas.notRecovered,
  Problem: schemas.problem,
  Publication: publishRequest,
  Published: schemas.published,
  PublishedItem: schemas.publishedItem,
  Readiness: schemas.readiness,
  RefusedItem: schemas.refusal,
  Revocation: schemas.revocation,
  RevocationRequest: revocationForms,
  Stream: schemas.streamInfo,
  StreamClass: schemas.streamClass,
  StreamTopics: schemas.streamTopics,
  Streams: schemas.streams,
  SubscribeRequest: subscribeRequest,
  Subscription: schemas.subscription,
  Ticket: schemas.ticket,
  Topic: schemas.topic,
};

const REF = '#/components/schemas/';
/** The name of a schema without one, while it is converted. */
const UNNAMED = 'unnamed';

/** The schemas with names, as OpenAPI has them below `components`. */
export function components(): Record<string, Json> {
  const { [UNNAMED]: _, ...named } = convert(z.unknown());
  return named;
}

/** A schema for a place in the document: a reference where it has a name, with references in it where parts have. */
export function schemaOf(schema: z.ZodType): Json {
  const known = converted.get(schema);
  if (known !== undefined) return known;
  const named = Object.entries(NAMED).find(([, candidate]) => candidate === schema);
  const made = named === undefined ? convert(schema)[UNNAMED]! : { $ref: `${REF}${named[0]}` };
  converted.set(schema, made);
  return made;
}

/** The document is made for each reader, its schemas once. */
const converted = new WeakMap<z.ZodType, Json>();

function convert(unnamed: z.ZodType): Record<string, Json> {
  const registry = z.registry<{ id: string }>();
  for (const [id, schema] of Object.entries(NAMED)) registry.add(schema, { id });
  registry.add(unnamed, { id: UNNAMED });
  // As input: what a client may send, and answers that may get further fields.
  const { schemas: all } = z.toJSONSchema(registry, {
    io: 'input',
    unrepresentable: 'any',
    uri: (id) => `${REF}${id}`,
  });
  return Object.fromEntries(
    Object.entries(all).map(([id, { $schema, $id, ...schema }]) => [id, schema as Json]),
  );
}
