/** What the subscribers of a storm have in common, whatever their transport. */
import type { DegradedInfo, GapInfo, Message, TopicVerdict } from '@axiom-streaming/protocol/message';
import type { Account } from './account.js';

/** What a subscriber is to read. */
export interface SubscriberPlan {
  readonly url: string;
  /** The address that NGINX sees. */
  readonly address: string;
  readonly topics: readonly string[];
  /** It stops reading now and then. */
  readonly slow: boolean;
  /** It asks for conflation, messages per second and key. Undefined: it does not. */
  readonly maxRate: number | undefined;
  readonly account: Account;
}

/** A client that reads, and comes back by itself whatever happens. */
export interface StormSubscriber {
  readonly plan: SubscriberPlan;
  start(): void;
  /** Stops reading from its connection. */
  pause(): void;
  resume(): void;
  stop(): void;
}

export type StormMessage = Message & { readonly conflated?: number };

/** An acknowledgement of `subscribe`. */
export interface SubscribeAck {
  readonly ok: boolean;
  readonly error?: { readonly code: string };
  readonly topics?: readonly TopicVerdict[];
  readonly cursor?: string;
}

export type { DegradedInfo, GapInfo, TopicVerdict };

/** A pause before coming back, with jitter. */
export function reconnectDelayMs(): number {
  return 50 + Math.random() * 200;
}
