import type { Hub } from '../hub/hub.js';
import type { WelcomeInfo } from '../protocol/message.js';

/** The part of a welcome that is the same for every connection of a node, and the connection's own id. */
export function welcomeInfo(hub: Hub, node: string, connection: string): WelcomeInfo {
  return {
    node,
    connection,
    streams: [...hub.streams.values()].map(({ config }) => ({ name: config.name, class: config.class })),
  };
}
