/**
 * What a connection is set up on: a socket, or an Engine.IO connection. Its client may leave before the hub has given it
 * a subscriber, and must not be counted from then on.
 */
export interface Lifeline {
  /** Whether it has ended already. */
  readonly gone: boolean;
  /** Calls back once when it ends. @returns gives up the listener */
  onGone(listener: () => void): () => void;
}
