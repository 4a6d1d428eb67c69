import type { Subscriber } from '../../hub/delivery/subscriber.js';
import type { HubSocket } from './socket-sink.js';

/**
 * Keeps a client its way back past events that are not the hub's, for example of a redis-emitter in the room of a
 * topic.
 *
 * socket.io-client takes as its offset the last argument of an event if it is a string, or the event's name if there are
 * no arguments, and sends it when it comes back. So whatever ends in another string than the cursor is followed by the
 * cursor, right behind it.
 */
export function followForeignEvents(socket: HubSocket, subscriber: Subscriber): void {
  let following = false;
  // Called before the event is written.
  socket.onAnyOutgoing((...event: unknown[]) => {
    const last = event.at(-1);
    if (following || typeof last !== 'string' || last === subscriber.cursor()) return;
    following = true;
    queueMicrotask(() => {
      following = false;
      subscriber.repeatPosition();
    });
  });
}
