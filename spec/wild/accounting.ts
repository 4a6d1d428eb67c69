/** What a client got of what was published: the account of one client after its node was killed. */

/** All counts are of messages. */
export interface Account {
  readonly published: number;
  /** Deliveries to the program, repeats among them. */
  readonly received: number;
  readonly lost: number;
  /** Deliveries beyond the first one of a message. */
  readonly doubled: number;
  /** First deliveries that came after a later message. */
  readonly outOfOrder: number;
  /** Lines that name a loss: `gap` events and verdicts with `recovered: false`. */
  readonly announced: number;
}

/**
 * @param published seqs that the hub acknowledged, in their order
 * @param received seqs as the program got them
 */
export function account(
  published: readonly number[],
  received: readonly number[],
  announced: number,
): Account {
  const wanted = new Set(published);
  const seen = new Set<number>();
  let [doubled, outOfOrder, highest] = [0, 0, 0];
  for (const seq of received) {
    if (seen.has(seq)) {
      doubled += 1;
      continue;
    }
    seen.add(seq);
    if (seq < highest) outOfOrder += 1;
    highest = Math.max(highest, seq);
  }
  const lost = published.filter((seq) => !seen.has(seq)).length;
  // What was never published is as wrong as what comes twice.
  const strange = [...seen].filter((seq) => !wanted.has(seq)).length;
  return {
    published: published.length,
    received: received.length,
    lost,
    doubled: doubled + strange,
    outOfOrder,
    announced,
  };
}

/** Whether nothing was lost, nothing came twice and everything came in order. */
export function isWhole({ lost, doubled, outOfOrder }: Account): boolean {
  return lost === 0 && doubled === 0 && outOfOrder === 0;
}
