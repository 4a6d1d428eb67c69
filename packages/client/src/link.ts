/**
 * One connection over one transport, from its making to its end. It knows nothing of recovery: the client makes a new
 * one and subscribes with its cursors.
 */
import type { DegradedInfo, GapInfo, WelcomeInfo } from '@axiom-streaming/protocol/message';
import { HubError } from './hub-error.js';
import type { Place, Reading } from './reading.js';
import type { HubMessage, Transport } from './types.js';

/** An acknowledgement as it comes over the wire. */
export type Ack = { readonly ok: boolean; readonly error?: HubError } & Record<string, unknown>;

/** What one request is for. An event without a scope is for all that read its topic on this link. */
export interface Scope {
  readonly readings: Set<Reading>;
  readonly place: Place;
}

/** What a link tells its client. */
export interface LinkListener {
  /** It is there. `node` is empty where it is only known with the first subscription. */
  welcome(info: WelcomeInfo): void;
  node(name: string): void;
  message(message: HubMessage, cursor: string, scope?: Scope): void;
  position(cursor: string, scope?: Scope): void;
  gap(info: GapInfo, scope?: Scope): void;
  degraded(info: DegradedInfo): void;
  /** The token is about to end. */
  expiring(): void;
  drain(info: { readonly reconnectInMs: number }): void;
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
  request(operation: string, body: object, done: (ack: Ack) => void, scope?: Scope): void;
  /** A reading is over. Only where {@link cursorPerRequest}: on the others topics are unsubscribed from. */
  release?(reading: Reading): void;
  close(): void;
}

/** The body of an acknowledgement, with its error as one that can be thrown. */
export function readAck(body: Record<string, unknown>): Ack {
  const error = body.error as { code: string; message: string; field?: string } | undefined;
  if (body.ok === true) return body as Ack;
  return {
    ok: false,
    error: new HubError(error?.code ?? 'internal', error?.message ?? 'refused', error?.field),
  };
}
