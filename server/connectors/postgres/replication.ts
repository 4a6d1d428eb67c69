/**
 * Logical replication: changes of tables become messages, without any change to the application.
 *
 * A slot is read in the order of commits. The position of a change is the LSN of its transaction's commit record and
 * its number in the transaction, so it is the same each time the slot is read. The slot is confirmed up to the
 * transactions that are in the log; if the connector is killed before that, it gets them again and the log takes none
 * twice.
 */
import type { Pgoutput } from 'pg-logical-replication';
import { connectPostgres, type Postgres } from '../../postgres/connection.js';
import { migrate } from '../../postgres/migrations.js';
import { keepRunning, type Surroundings } from '../keep-running.js';
import { type SourceMessage, SourceWriter, type SourceWriterOptions } from '../source-writer.js';
import { waitForLock } from './advisory-lock.js';
import { dataOf, isRowChange, type RowChange, tableOf, textsOf } from './change.js';
import { sourceIdentity } from './identity.js';
import { lsnText } from './lsn.js';
import { placeOf, type Received, ReplicationStream } from './replication-stream.js';
import { measureSlot, preparePublication, prepareSlot } from './slot.js';
import type { TableMapping } from './table-mapping.js';

const MEASURE_EVERY_MS = 5_000;
/** Digits of a change's number in its transaction. */
const NUMBER_DIGITS = 10;
/** The topic that reports show for a change without one. */
const NO_TOPIC = '-';

export interface ReplicationOptions extends Surroundings, Omit<SourceWriterOptions, 'source'> {
  readonly url: string;
  readonly tables: readonly TableMapping[];
  readonly slot: string;
  readonly publication: string;
}

/** Publishes changes until `signal` aborts. */
export function runReplication(options: ReplicationOptions): Promise<void> {
  return keepRunning(options, async (works) => {
    const replication = new Replication(options);
    try {
      await replication.run(works);
    } finally {
      await replication.close();
    }
  });
}

class Replication {
  readonly #options: ReplicationOptions;
  readonly #mappings: ReadonlyMap<string, TableMapping>;
  /** Aborts when a connection is lost or the process is to end. */
  readonly #ending = new AbortController();
  readonly #onAbort = () => this.#ending.abort(new Error('stopped'));
  #client: Postgres | undefined;
  #stream: ReplicationStream | undefined;
  #measuring: NodeJS.Timeout | undefined;
  /** The transaction that is being read. */
  #transaction: { place: bigint; timeMs: number; changes: number } | undefined;

  constructor(options: ReplicationOptions) {
    this.#options = options;
    this.#mappings = new Map(options.tables.map((mapping) => [mapping.table, mapping]));
    options.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  async run(works: () => void): Promise<void> {
    const { url, logger, slot, publication, metrics, tables } = this.#options;
    const { signal } = this.#ending;
    const client = await connectPostgres({
      url,
      application: 'axiom-replication',
      logger,
      onLost: (error) => this.#ending.abort(error),
    });
    this.#client = client;
    await migrate(client, new URL('migrations/', import.meta.url));
    await waitForLock(client, lockOf(slot), signal, logger);
    await preparePublication(
      client,
      publication,
      tables.map(({ table }) => table),
    );
    await prepareSlot(client, slot);
    const source = `slot:${slot}:${await sourceIdentity(client)}`;
    const writer = new SourceWriter({ ...this.#options, source });
    const stream = await ReplicationStream.open({ url, slot, publication, logger });
    this.#stream = stream;
    signal.addEventListener('abort', () => stream.fail(new Error('stopped')), { once: true });
    signal.throwIfAborted();
    this.#measureRegularly(client);
    logger.info({ source }, 'replication: publishing');
    works();
    for (;;) {
      const received = await stream.take();
      const { messages, end, oldestMs } = this.#read(received);
      metrics.lag(oldestMs === undefined ? 0 : (Date.now() - oldestMs) / 1000);
      await this.#write(client, writer, messages);
      if (end !== undefined) stream.confirm(end);
      if (this.#transaction === undefined) metrics.lag(0);
      works();
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#measuring);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    await this.#stream?.close();
    await this.#client?.end().catch(() => undefined);
  }

  /** @returns the messages, and the position to confirm once they are written. */
  #read(received: readonly Received[]): {
    messages: SourceMessage[];
    end: bigint | undefined;
    oldestMs: number | undefined;
  } {
    const messages: SourceMessage[] = [];
    let end: bigint | undefined;
    let oldestMs = this.#transaction?.timeMs;
    for (const item of received) {
      if ('end' in item) {
        // Within a transaction it is the position of something that is still to come.
        if (this.#transaction === undefined) end = item.end;
        continue;
      }
      const { message } = item;
      if (message.tag === 'begin') {
        const timeMs = Number(BigInt(message.commitTime.toString()) / 1000n);
        this.#transaction = { place: placeOf(message.commitLsn), timeMs, changes: 0 };
        oldestMs ??= timeMs;
      } else if (message.tag === 'commit') {
        end = placeOf(message.commitEndLsn);
        this.#transaction = undefined;
      } else if (message.tag === 'relation') {
        this.#checkColumns(message);
      } else if (isRowChange(message)) {
        const read = this.#message(message);
        if (read !== undefined) messages.push(read);
      }
    }
    return { messages, end, oldestMs };
  }

  #message(change: RowChange): SourceMessage | undefined {
    const transaction = this.#transaction;
    if (transaction === undefined) throw new Error('PostgreSQL sent a change outside a transaction');
    transaction.changes += 1;
    const mapping = this.#mappings.get(tableOf(change));
    if (mapping === undefined) return undefined;
    const number = String(transaction.changes).padStart(NUMBER_DIGITS, '0');
    return {
      topic: mapping.topicOf(textsOf(change, mapping.fields)) ?? NO_TOPIC,
      data: dataOf(change),
      position: `${lsnText(transaction.place)}.${number}`,
    };
  }

  #checkColumns({ schema, name, columns }: Pgoutput.MessageRelation): void {
    const mapping = this.#mappings.get(`${schema}.${name}`);
    const missing = mapping?.fields.filter((column) => !columns.some((found) => found.name === column)) ?? [];
    if (missing.length > 0) {
      throw new Error(`${schema}.${name} has no column ${missing.join(', ')}, which its topic is made from`);
    }
  }

  async #write(client: Postgres, writer: SourceWriter, messages: readonly SourceMessage[]): Promise<void> {
    if (messages.length === 0) return;
    const { slot, logger } = this.#options;
    const refused = await writer.write(messages, this.#ending.signal);
    for (const [index, { code, message: why }] of refused) {
      const { topic, data, position } = messages[index]!;
      const reason =
        topic === NO_TOPIC
          ? 'a column that the topic is made from is null or was not sent; a deletion needs it in the REPLICA IDENTITY'
          : `${code}: ${why}`;
      logger.error({ position, topic, reason }, 'replication: a change was refused and is set aside');
      await client.query(
        `INSERT INTO hub.replication_refused (slot, position, topic, data, refused)
         VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`,
        [slot, position, topic, data, reason],
      );
    }
  }

  #measureRegularly(client: Postgres): void {
    const { slot, metrics, logger } = this.#options;
    const measure = () => {
      measureSlot(client, slot, metrics).catch((error: Error) => {
        logger.debug({ error: error.message }, 'replication: the slot could not be measured');
      });
    };
    measure();
    this.#measuring = setInterval(measure, MEASURE_EVERY_MS);
  }
}

/** The advisory lock of a slot. */
function lockOf(slot: string): number {
  let hash = 0;
  for (const char of slot) hash = (hash * 31 + char.charCodeAt(0)) % 1_000_000_007;
  return 8_000_000_000 + hash;
}
