/**
 * What was published: the one list against which every subscriber is checked.
 *
 * A message is known by the id in its data. Its place, epoch and seq, comes from the acknowledgement or, for one whose
 * acknowledgement was lost, from the first subscriber that got it. A log that has lost acknowledged writes gives the
 * same place to two messages; from there on the epoch is doubtful, and somebody must have begun a new one.
 */

/** Data of a message in a storm. */
export interface StormData {
  readonly id: string;
  readonly pad: string;
}

interface Place {
  readonly seq: number;
  readonly key: string;
  readonly id: string;
}

class EpochRecord {
  /** By seq: ids of the messages that were seen or acknowledged under it. More than one: the log has lost writes. */
  readonly ids = new Map<number, string>();
  readonly acknowledged: Place[] = [];
  /** The first seq that two messages had. */
  doubtfulFrom = Number.POSITIVE_INFINITY;
  conflicts = 0;
}

export class Publications {
  readonly #streams = new Map<string, Map<string, EpochRecord>>();
  /** Place by id, `epoch seq`: a message has one place in an epoch. */
  readonly #places = new Map<string, Map<string, number>>();
  readonly #twice: { stream: string; epoch: string; id: string; seqs: readonly [number, number] }[] = [];
  acknowledged = 0;
  /** Messages whose publisher never heard of them: they may come, once. */
  maybe = 0;

  /** A publisher was told 201. */
  acknowledge(stream: string, key: string, epoch: string, seq: number, id: string): void {
    this.acknowledged += 1;
    this.#note(stream, epoch, seq, id);
    this.#record(stream, epoch).acknowledged.push({ seq, key, id });
  }

  /** A subscriber got it. */
  delivered(stream: string, epoch: string, seq: number, id: string): void {
    this.#note(stream, epoch, seq, id);
  }

  /** The log went back to before a seq. To be told where it is known; where two messages meet it is seen. */
  rolledBack(stream: string, epoch: string, from: number): void {
    const record = this.#record(stream, epoch);
    record.doubtfulFrom = Math.min(record.doubtfulFrom, from);
  }

  /** The acknowledged messages of a stream in one epoch, ascending, without those whose place is doubtful. */
  inEpoch(stream: string, epoch: string): readonly Place[] {
    const { acknowledged, doubtfulFrom } = this.#record(stream, epoch);
    acknowledged.sort((a, b) => a.seq - b.seq);
    return acknowledged.filter(({ seq }) => seq < doubtfulFrom);
  }

  /** What is wrong with the log itself, given the epoch that each stream has in the end. */
  findings(current: ReadonlyMap<string, string>): string[] {
    const findings: string[] = [];
    for (const [stream, epochs] of this.#streams) {
      const record = epochs.get(current.get(stream) ?? '');
      if (record !== undefined && record.conflicts > 0) {
        findings.push(
          `${stream}: seq ${record.doubtfulFrom} of the epoch in force, ${current.get(stream)}, was given to two messages (${record.conflicts} such seqs)`,
        );
      }
    }
    for (const { stream, epoch, id, seqs } of this.#twice) {
      if (current.get(stream) === epoch)
        findings.push(`${stream}: message ${id} was appended twice, as ${seqs.join(' and ')} of ${epoch}`);
    }
    return findings;
  }

  #note(stream: string, epoch: string, seq: number, id: string): void {
    const record = this.#record(stream, epoch);
    const known = record.ids.get(seq);
    if (known === undefined) {
      record.ids.set(seq, id);
      const places = this.#places.get(id);
      const before = places?.get(epoch);
      if (before !== undefined) this.#twice.push({ stream, epoch, id, seqs: [before, seq] });
      if (places === undefined) this.#places.set(id, new Map([[epoch, seq]]));
      else places.set(epoch, seq);
    } else if (known !== id) {
      record.conflicts += 1;
      record.doubtfulFrom = Math.min(record.doubtfulFrom, seq);
    }
  }

  #record(stream: string, epoch: string): EpochRecord {
    let epochs = this.#streams.get(stream);
    if (epochs === undefined) {
      epochs = new Map();
      this.#streams.set(stream, epochs);
    }
    let record = epochs.get(epoch);
    if (record === undefined) {
      record = new EpochRecord();
      epochs.set(epoch, record);
    }
    return record;
  }
}
