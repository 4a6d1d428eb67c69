import type { HubMessage } from '@axiom-streaming/client';

/** What a view keeps of its stream. */
export interface StreamStore {
  /** @param isLive false: it is history that was read before. */
  take(message: HubMessage, isLive: boolean): void;
  /** The numbering began again: forget the old. */
  reset?(): void;
}
