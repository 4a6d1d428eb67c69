/** A client that was here before, whose session is gone, and which subscribes without a cursor: it may miss messages. */
import type { Ack } from '@axiom-streaming/protocol/answers';

/** The acknowledgement of a `subscribe` that was to bring a cursor and does not. */
export function withoutCursor(ack: Ack): Ack {
  return { ...(ack as Ack<'subscribe'>), cursorMissing: true } as Ack<'subscribe'>;
}

export function hasCursor(body: unknown): boolean {
  return typeof body === 'object' && body !== null && 'since' in body;
}
