/** Time as the hub sees it where it decides by time, so that a spec can hold the clock. */
export interface Clock {
  /** ms; never goes back. */
  now(): number;
  /** Calls `wake` once, after `ms`. @returns what takes the call back */
  after(ms: number, wake: () => void): () => void;
}

/** The process's own clock. Keeps no process alive. */
export const systemClock: Clock = {
  now: () => performance.now(),
  after: (ms, wake) => {
    const timer = setTimeout(wake, ms).unref();
    return () => clearTimeout(timer);
  },
};
