/** Waits for at most `ms`. @throws Error that names `what` did not arrive */
export async function withDeadline<T>(promise: Promise<T>, ms: number, what: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    const late = () => reject(new Error(`Redis did not answer ${what} within ${ms} ms`));
    // An event loop that was busy until the deadline runs its timers before it reads its sockets. Give it a turn to
    // read.
    timer = setTimeout(() => setImmediate(() => setImmediate(late)), ms);
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
