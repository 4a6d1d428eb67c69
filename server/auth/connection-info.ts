import type { TransportName } from '@axiom-streaming/protocol/transports';
import type { Principal } from '../hub/access.js';
import type { Subscriber } from '../hub/delivery/subscriber.js';

/** A connection as operators see it. */
export interface ConnectionInfo {
  readonly id: string;
  readonly node: string;
  readonly transport: TransportName;
  readonly address: string;
  readonly subject: string | null;
  readonly connectedAt: number;
  readonly expiresAt: number | null;
  readonly topics: number;
}

interface Described {
  readonly subscriber: Subscriber | undefined;
  readonly principal: Principal;
  readonly transport: TransportName;
  readonly address: string;
  readonly connectedAt: number;
}

/** @param node the one that has the connection */
export function describe(
  { subscriber, principal, address, transport, connectedAt }: Described,
  node: string,
): ConnectionInfo {
  return {
    id: subscriber?.id ?? '',
    node,
    transport,
    address,
    subject: principal.subject ?? null,
    connectedAt,
    expiresAt: principal.expiresAt ?? null,
    topics: subscriber?.topicCount ?? 0,
  };
}
