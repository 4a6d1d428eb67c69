import type { Lifeline } from '../auth/lifeline.js';

/** What sockets and Engine.IO connections have in common. */
interface Closing {
  once(event: 'close', listener: () => void): unknown;
  off(event: 'close', listener: () => void): unknown;
}

/** @param isGone whether `close` has been emitted already, or will not be */
export function lifelineOf<T extends Closing>(source: T, isGone: (source: T) => boolean): Lifeline {
  return {
    get gone() {
      return isGone(source);
    },
    onGone(listener) {
      source.once('close', listener);
      return () => source.off('close', listener);
    },
  };
}
