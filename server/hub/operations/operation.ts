import type { Answers, SubscribeAnswer } from '@axiom-streaming/protocol/answers';
import type { OperationName, Requests } from '@axiom-streaming/protocol/requests';
import type { z } from 'zod';
import type { Subscriber } from '../delivery/subscriber.js';
import type { Hub } from '../hub.js';
import { parseRequest } from './fields.js';
import type { Publisher } from './publisher.js';

/** What a transport may want to do before a change of subscriptions is acknowledged. */
export type OnSubscriptionsChanged = (result: SubscribeAnswer) => Promise<void>;

/** One request that is under way. */
export interface Call<Name extends OperationName> {
  readonly hub: Hub;
  readonly publisher: Publisher;
  readonly subscriber: Subscriber;
  readonly onSubscriptionsChanged: OnSubscriptionsChanged;
  /** Answers `{ok: true}` with these fields; the first call counts. */
  readonly acknowledge: (answer: Answers[Name]) => void;
}

/** What a socket may ask for. `docs/PROTOCOL.md` is the reference. */
export interface Operation<Name extends OperationName> {
  /** For the documents. */
  readonly summary: string;
  readonly schema: z.ZodType;
  /** A request that a reader of the documents can send unchanged; `$TOKEN` is a placeholder for a token. */
  readonly example: Readonly<Record<string, unknown>>;
  /** What it takes out of the connection's allowance, before the request is looked at. */
  readonly cost: 'request' | 'publish';
  /** Reads the request, carries it out and acknowledges it. @throws HubError if it is refused */
  run(call: Call<Name>, body: unknown): Promise<void>;
}

/** Defines an operation whose request the schema has read. Its name determines what it takes and what it answers. */
export function operation<Name extends OperationName>(definition: {
  readonly summary: string;
  readonly schema: z.ZodType<Requests[Name]>;
  readonly example: Readonly<Record<string, unknown>>;
  readonly cost: 'request' | 'publish';
  readonly run: (call: Call<Name>, request: Requests[Name]) => Promise<void>;
}): Operation<Name> {
  const { schema, run } = definition;
  return { ...definition, run: (call, body) => run(call, parseRequest(schema, body)) };
}
