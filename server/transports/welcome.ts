import type { ConnectionInfo } from '@axiom-streaming/protocol/message';
import type { Subscriber } from '../hub/delivery/subscriber.js';
import type { Hub } from '../hub/hub.js';
import { visibleStreams } from '../hub/streams.js';

/**
 * The `welcome` of a connection: the node that serves it, its own id, and the streams that it may read at least in
 * part.
 */
export function welcomeInfo(hub: Hub, node: string, { id, access }: Subscriber): ConnectionInfo {
  return { node, connection: id, streams: visibleStreams(hub, access.principal) };
}
