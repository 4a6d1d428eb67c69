/**
 * One connection over one transport, from its making to its end. It knows nothing of recovery: the client makes a new
 * one and subscribes with its cursors.
 */
import type { Answers } from '@axiom-streaming/protocol/answers';
import type { EventFrame } from '@axiom-streaming/protocol/frames';
import type { OperationName, Requests } from '@axiom-streaming/protocol/requests';
import type { HubError } from './hub-error.js';
import type { Place, Reader } from './reading.js';
import type { Subscribed, Transport } from './types.js';

/** The protocol's answers. Over SSE a cursor may be refused without the subscription. */
export type LinkAnswers = Omit<Answers, 'subscribe'> & { readonly subscribe: Subscribed };

/** An acknowledgement whose error can be thrown; also what becomes of a request that gets none. */
export type Outcome<Name extends OperationName> =
  | (LinkAnswers[Name] & { readonly ok: true })
  | { readonly ok: false; readonly error: HubError };

export type Done<Name extends OperationName> = (outcome: Outcome<Name>) => void;

/** What one request is for. An event without a scope is for all that read its topic on this link. */
export interface Scope {
  readonly readings: Set<Reader>;
  readonly place: Place;
}

/** What a link tells its client. */
export interface LinkListener {
  /**
   * The hub's events, each as the frame of a WebSocket. `welcome` means that the link is there; its `node` is empty
   * where it is only known with the first subscription.
   */
  event(frame: EventFrame, scope?: Scope): void;
  node(name: string): void;
  /** Told once. `final`: to connect again in the same way is of no use. */
  closed(error: HubError, final?: boolean): void;
}

export interface LinkOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly listener: LinkListener;
}

export interface Link {
  readonly transport: Transport;
  readonly via?: string;
  /** Each request has events, with a scope, and a cursor of its own; a token is given with a connection alone. */
  readonly cursorPerRequest?: boolean;
  /**
   * Sends one operation. `done` is called in the turn in which the acknowledgement arrives, before any message that
   * follows it: a promise would be too late where many frames are read at once.
   *
   * @param scope what a `subscribe` is for
   */
  request<Name extends OperationName>(
    operation: Name,
    body: Requests[Name],
    done: Done<Name>,
    scope?: Scope,
  ): void;
  /** A reading is over. Only where {@link cursorPerRequest}: on the others topics are unsubscribed from. */
  release?(reading: Reader): void;
  close(): void;
}
