/**
 * One connection over one transport, from its start to its end. It knows nothing about recovery: the client opens a new
 * one and subscribes with its cursors.
 */
import type { Answers } from '@axiom-streaming/protocol/answers';
import type { EventFrame } from '@axiom-streaming/protocol/frames';
import type { OperationName, Requests } from '@axiom-streaming/protocol/requests';
import type { HubError } from './hub-error.js';
import type { Place, Reader } from './reading.js';
import type { Subscribed } from './types.js';

/** The protocol's answers. Over SSE a cursor may be refused while the subscription is accepted. */
export type LinkAnswers = Omit<Answers, 'subscribe'> & { readonly subscribe: Subscribed };

/** An acknowledgement whose error can be thrown; also used for a request that gets none. */
export type Outcome<Name extends OperationName> =
  | (LinkAnswers[Name] & { readonly ok: true })
  | { readonly ok: false; readonly error: HubError };

export type Done<Name extends OperationName> = (outcome: Outcome<Name>) => void;

/** The purpose of one request. An event without a scope is for all readers of its topic on this link. */
export interface Scope {
  readonly readings: Set<Reader>;
  readonly place: Place;
}

/** The events of a link. */
export interface LinkListener {
  /**
   * The hub's events, each in the form of a WebSocket frame. `welcome` means that the link is open; its `node` is empty
   * if it only becomes known with the first subscription.
   */
  event(frame: EventFrame, scope?: Scope): void;
  node(name: string): void;
  /**
   * The link is of no more use: the client closes it, and ignores what it says after that.
   *
   * @param error a {@link HubError}; anything else means that the hub cannot be reached
   * @param final reconnecting in the same way cannot help
   */
  closed(error: unknown, final?: boolean): void;
}

export interface LinkOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly listener: LinkListener;
}

export interface Link {
  readonly via?: string | undefined;
  /**
   * Sends one operation. `done` is called in the turn in which the acknowledgement arrives, before any message that
   * follows it: a promise would be too late if many frames are read at once.
   *
   * @param scope the purpose of a `subscribe`
   */
  request<Name extends OperationName>(
    operation: Name,
    body: Requests[Name],
    done: Done<Name>,
    scope?: Scope,
  ): void;
  /**
   * A reading has ended. Only a link of separate streams has this method: each of its requests has its own events, with
   * a scope, and its own cursor. It has no operations `unsubscribe` and `auth`: it takes a token only when it is
   * opened.
   */
  release?(reading: Reader): void;
  /** Also ends the requests that have no acknowledgement yet: the connection was lost. */
  close(): void;
}
