/**
 * One connection that streams a replication slot: decoded changes in the order of commits, with a bounded queue.
 *
 * The decoder is that of `pg-logical-replication`. Its service is not used: it confirms one byte beyond the position
 * that it is given, which skips a transaction that begins right there, and it does not say when everything before a
 * keepalive has been processed.
 */
import { Buffer } from 'node:buffer';
import type { Duplex } from 'node:stream';
import { type Pgoutput, PgoutputPlugin } from 'pg-logical-replication';
import type { Logger } from '../../logger.js';
import { connectPostgres, type Postgres } from '../../postgres/connection.js';
import { keepTexts } from './change.js';
import { parseLsn } from './lsn.js';

const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;
/** Reading from the server pauses while this much waits. */
const MAX_WAITING = 4_000;
const MAX_WAITING_BYTES = 16 * 1024 * 1024;
/** Well within the server's `wal_sender_timeout` of 60 s. */
const STATUS_EVERY_MS = 5_000;
/** Microseconds from the Unix epoch to that of PostgreSQL, 2000-01-01. */
const POSTGRES_EPOCH_US = 946_684_800_000_000n;

/** What the server sent: a decoded message, or word that there is nothing else before `end`. */
export type Received = { readonly message: Pgoutput.Message } | { readonly end: bigint };

/** The parts of a connection of `pg` that streaming needs and its types do not have. */
interface CopyConnection {
  readonly stream: Duplex;
  on(event: 'copyData', listener: (message: { chunk: Buffer }) => void): void;
  sendCopyFromChunk(chunk: Buffer): void;
}

export class ReplicationStream {
  readonly #client: Postgres;
  readonly #connection: CopyConnection;
  readonly #plugin: PgoutputPlugin;
  #waiting: Received[] = [];
  #waitingBytes = 0;
  #confirmed = 0n;
  #failure: Error | undefined;
  #wake: () => void = () => undefined;
  #status: NodeJS.Timeout | undefined;

  private constructor(client: Postgres, publication: string) {
    this.#client = client;
    // The types of `pg` describe an older connection; the specs check this one.
    this.#connection = client.connection as unknown as CopyConnection;
    this.#plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: [publication] });
  }

  /** Starts where the slot was last confirmed. @throws Error if the slot cannot be read, e.g. another reader has it. */
  static async open(options: {
    readonly url: string;
    readonly slot: string;
    readonly publication: string;
    readonly logger: Logger;
  }): Promise<ReplicationStream> {
    let stream: ReplicationStream | undefined;
    const client = await connectPostgres({
      url: options.url,
      application: 'axiom-replication-stream',
      logger: options.logger,
      replication: 'database',
      onLost: (error) => stream?.fail(error),
    });
    stream = new ReplicationStream(client, options.publication);
    await stream.#start(options.slot);
    return stream;
  }

  /**
   * Everything received since the last call; waits if that is nothing. For one caller.
   *
   * @throws Error if the stream failed.
   */
  async take(): Promise<readonly Received[]> {
    while (this.#waiting.length === 0) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    const taken = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#connection.stream.resume();
    return taken;
  }

  /** Everything before this position has been published: the server need not send it again. */
  confirm(lsn: bigint): void {
    if (lsn <= this.#confirmed) return;
    this.#confirmed = lsn;
    this.#sendStatus();
  }

  /** Ends the stream with an error for its caller. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#wake();
  }

  async close(): Promise<void> {
    clearInterval(this.#status);
    // `pg` has no way to end a copy that is in progress.
    this.#connection.stream.destroy();
    await this.#client.end().catch(() => undefined);
  }

  async #start(slot: string): Promise<void> {
    const started = new Promise<void>((resolve, reject) => {
      (this.#client.connection as unknown as { once(event: string, listener: () => void): void }).once(
        'replicationStart',
        resolve,
      );
      this.#connection.on('copyData', ({ chunk }) => this.#receive(chunk));
      // 0/0: where the slot was last confirmed. The query lasts as long as the stream.
      this.#plugin.start(this.#client, slot, '0/0').then(
        () => this.fail(new Error('PostgreSQL ended the replication')),
        (error: Error) => {
          this.fail(error);
          reject(error);
        },
      );
    });
    try {
      await started;
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#status = setInterval(() => this.#sendStatus(), STATUS_EVERY_MS);
  }

  #receive(chunk: Buffer): void {
    if (this.#failure !== undefined) return;
    try {
      if (chunk[0] === XLOG_DATA) {
        const message: Pgoutput.Message = this.#plugin.parse(chunk.subarray(25));
        // Before the rows that follow are decoded.
        if (message.tag === 'relation') keepTexts(message);
        this.#push({ message });
        this.#waitingBytes += chunk.length;
      } else if (chunk[0] === KEEPALIVE) {
        this.#push({ end: chunk.readBigUInt64BE(1) });
        if (chunk[17] === 1) this.#sendStatus();
      }
    } catch (error) {
      this.fail(error instanceof Error ? error : new Error(String(error)));
    }
    if (this.#waiting.length >= MAX_WAITING || this.#waitingBytes >= MAX_WAITING_BYTES) {
      this.#connection.stream.pause();
    }
  }

  #push(received: Received): void {
    this.#waiting.push(received);
    this.#wake();
  }

  #sendStatus(): void {
    if (this.#failure !== undefined) return;
    const status = Buffer.alloc(34);
    status[0] = 0x72;
    // Written, flushed, applied: a connector does not distinguish them.
    for (const offset of [1, 9, 17]) status.writeBigUInt64BE(this.#confirmed, offset);
    status.writeBigInt64BE(BigInt(Date.now()) * 1000n - POSTGRES_EPOCH_US, 25);
    this.#connection.sendCopyFromChunk(status);
  }
}

/** The end of a transaction's commit record, or the position of the record itself. @throws Error if it is missing */
export function placeOf(lsn: string | null): bigint {
  if (lsn === null) throw new Error('PostgreSQL sent a transaction without its LSN');
  return parseLsn(lsn);
}
