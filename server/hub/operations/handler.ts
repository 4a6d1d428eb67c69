/**
 * The requests that Socket.IO and plain WebSocket share. `docs/PROTOCOL.md` is their reference.
 */
import type { Ack, Answers } from '@axiom-streaming/protocol/answers';
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import type { OperationName } from '@axiom-streaming/protocol/requests';
import { ERRORS, errorBody, HubError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import type { Subscriber } from '../delivery/subscriber.js';
import type { Hub } from '../hub.js';
import { AUTH } from './auth.js';
import { AuthOrder } from './auth-order.js';
import { HISTORY } from './history.js';
import type { OnSubscriptionsChanged, Operation } from './operation.js';
import { PUBLISH } from './publish.js';
import type { Publisher } from './publisher.js';
import { SUBSCRIBE } from './subscribe.js';
import { UNSUBSCRIBE } from './unsubscribe.js';

/** The operations of a socket by their names, in the order of the documents. To add one, add an entry here. */
export const OPERATIONS: { readonly [Name in OperationName]: Operation<Name> } = {
  subscribe: SUBSCRIBE,
  unsubscribe: UNSUBSCRIBE,
  publish: PUBLISH,
  history: HISTORY,
  auth: AUTH,
};

export const OPERATION_NAMES = Object.keys(OPERATIONS) as readonly OperationName[];

/** Whether there is an operation of a name. */
export function isOperation(name: string): name is OperationName {
  return Object.hasOwn(OPERATIONS, name);
}

/** Answers the requests of sockets, whatever their transport. */
export class RequestHandler {
  readonly #hub: Hub;
  readonly #publisher: Publisher;
  readonly #logger: Logger;
  readonly #onError: (code: ErrorCode) => void;
  readonly #order = new AuthOrder();

  /** @param options.onError is called for every refusal, for metrics */
  constructor(options: {
    hub: Hub;
    publisher: Publisher;
    logger: Logger;
    onError?: (code: ErrorCode) => void;
  }) {
    this.#hub = options.hub;
    this.#publisher = options.publisher;
    this.#logger = options.logger;
    this.#onError = options.onError ?? (() => undefined);
  }

  /**
   * Carries out one request, once an `auth` that came before it is done, and acknowledges it once; not at all where the
   * connection ends while it waits. A `subscribe` is acknowledged before its first message. Never rejects.
   */
  handle(
    subscriber: Subscriber,
    name: string,
    body: unknown,
    acknowledge: (acknowledgement: Ack) => void,
    onSubscriptionsChanged: OnSubscriptionsChanged = async () => undefined,
  ): Promise<void> {
    return this.#order.run(subscriber, { isAuth: name === 'auth', body }, () =>
      this.#carryOut(subscriber, name, body, acknowledge, onSubscriptionsChanged),
    );
  }

  async #carryOut(
    subscriber: Subscriber,
    name: string,
    body: unknown,
    acknowledge: (acknowledgement: Ack) => void,
    onSubscriptionsChanged: OnSubscriptionsChanged,
  ): Promise<void> {
    let acknowledged = false;
    const answer = (acknowledgement: Ack) => {
      if (acknowledged) return;
      acknowledge(acknowledgement);
      acknowledged = true;
    };
    try {
      const operation = isOperation(name) ? OPERATIONS[name] : undefined;
      // Publications keep their order: nothing waits here unless the allowance is used up.
      const spent = subscriber.access.spend(operation?.cost ?? 'request', 1);
      if (spent !== undefined) await spent;
      if (operation === undefined) throw unknownOperation(name);
      await operation.run(
        {
          hub: this.#hub,
          publisher: this.#publisher,
          subscriber,
          onSubscriptionsChanged,
          acknowledge: (fields: Answers[OperationName]) => answer({ ok: true, ...fields }),
        },
        body,
      );
    } catch (error) {
      if (!(error instanceof HubError)) {
        this.#logger.error(
          { operation: name, connection: subscriber.id, error: String(error) },
          'request: unexpected error',
        );
      }
      const refusal = errorBody(error);
      // What can succeed when it is repeated is not the sender's fault.
      if (name === 'publish' && !ERRORS[refusal.code].retry) subscriber.access.charge('publishes_refused', 1);
      this.#onError(refusal.code);
      answer({ ok: false, error: refusal });
    }
  }
}

function unknownOperation(name: string): HubError {
  const names = OPERATION_NAMES.join(', ');
  return new HubError('unknown_op', `There is no operation "${name.slice(0, 40)}"; there are: ${names}`);
}
