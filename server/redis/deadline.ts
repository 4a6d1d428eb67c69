/** Waits no longer than `ms`. @throws Error that names `what` was waited for */
export async function withDeadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    const late = () => reject(new Error(`Redis did not answer ${what} within ${ms} ms`));
    // A loop that was busy for so long runs its timers before it reads what has come meanwhile: it gets a turn to read.
    timer = setTimeout(() => setImmediate(() => setImmediate(late)), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
