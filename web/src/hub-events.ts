/**
 * The events of a hub as this page meets them. The shapes are the protocol's own.
 */
import type {
  DegradedInfo,
  GapInfo,
  Message,
  TopicVerdict,
  WelcomeInfo,
} from '../../server/protocol/message.js';

/** What a request is answered with. */
export type SubscribeAck =
  | { readonly ok: true; readonly topics: readonly TopicVerdict[]; readonly cursor: string }
  | { readonly ok: false; readonly error: { readonly code: string; readonly message: string } };

export interface ServerEvents {
  welcome(info: WelcomeInfo, cursor: string): void;
  message(message: Message, cursor: string): void;
  position(cursor: string): void;
  gap(info: GapInfo): void;
  degraded(info: DegradedInfo): void;
  drain(info: { readonly reconnectInMs: number }): void;
}

export interface ClientEvents {
  subscribe(
    request: { readonly topics: readonly string[]; readonly rewind: number },
    acknowledge: (ack: SubscribeAck) => void,
  ): void;
}
