import type { Access } from '../hub/access.js';

/** A smaller frame costs what its request costs. */
export const FREE_FRAME_BYTES = 8 * 1024;

/** What carries frames, and can stop reading them for a while. */
export interface FrameSource {
  pause(): void;
  resume(): void;
}

/**
 * Charges for the bytes of a frame once it was answered: of any but a publication that succeeded. A client that owes is not
 * read until it has paid: reading a frame is what costs, and a refusal comes after that.
 */
export function chargeFrame(
  access: Access,
  source: FrameSource | undefined,
  { operation, isOk, bytes }: { operation: string; isOk: boolean; bytes: number },
): void {
  if (bytes <= FREE_FRAME_BYTES || (isOk && operation === 'publish')) return;
  access.charge('bytes_read', bytes);
  const held = access.pace(true);
  if (held === undefined) return;
  source?.pause();
  void held.then(() => source?.resume());
}
