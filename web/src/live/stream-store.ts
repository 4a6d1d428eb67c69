import type { HubMessage } from '@axiom-streaming/client';

/** What a view keeps of its stream. */
export interface StreamStore {
  /** @param isLive false for history, which is read before live messages. */
  take(message: HubMessage, isLive: boolean): void;
  /** Forgets everything, because the seqs start over. */
  reset?(): void;
}
