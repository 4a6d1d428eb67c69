/**
 * Writes the messages of a source into the stream log: in order, each position once, retrying until the log answers.
 *
 * The log commits the last position of the source (`Origin`) together with the messages. So a connector keeps no state:
 * after a `kill -9` at any moment it starts again with whatever its source still has, and the log drops what it already
 * knows. Publishing over HTTP with an `Idempotency-Key` was rejected: an id is forgotten after five minutes, and a
 * connector may be down for a night.
 */

import type { ErrorBody } from '@axiom-streaming/protocol/errors';
import { ALL_KEYS, parseTopic, TOPIC_FORM } from '@axiom-streaming/protocol/topic';
import { ERRORS, errorBody, HubError } from '../errors.js';
import { isDeeperThan, jsonText, MAX_DEPTH } from '../hub/operations/publisher.js';
import { refusalError } from '../log/append-refusals.js';
import type { AppendEntry, StreamLog } from '../log/stream-log.js';
import type { Logger } from '../logger.js';
import { Backoff } from '../time/backoff.js';
import type { ConnectorMetrics } from './metrics.js';

/** Most entries in one append: as many as the log in Redis takes in one script call. */
const CHUNK = 512;

/** A message of a source. */
export interface SourceMessage {
  readonly topic: string;
  /** JSON text. */
  readonly data: string;
  /** Greater, compared byte by byte, than the positions of all messages before it. */
  readonly position: string;
  /** The part of the source within which positions are ordered; without one, the whole source is one part. */
  readonly series?: string;
  /** The publisher's own id, remembered for five minutes. If given, it identifies a repeat instead of the position. */
  readonly id?: string;
}

/** Permanent refusals: trying again would not help. By index of the message. */
export type Refusals = ReadonlyMap<number, ErrorBody>;

export interface SourceWriterOptions {
  readonly log: StreamLog;
  /** Names of the hub's streams. */
  readonly streams: ReadonlySet<string>;
  /** Name of the source in the log; each copy of the data has a name of its own. */
  readonly source: string;
  readonly maxMessageBytes: number;
  readonly logger: Logger;
  readonly metrics: ConnectorMetrics;
}

interface Item {
  readonly index: number;
  readonly entry: AppendEntry;
}

export class SourceWriter {
  readonly #options: SourceWriterOptions;

  constructor(options: SourceWriterOptions) {
    this.#options = options;
  }

  /**
   * Resolves when each message is committed, was committed before, or is refused. While the log is unreachable it
   * tries again, with backoff.
   *
   * @throws Error when `signal` aborts; it is then unknown what was committed.
   */
  async write(messages: readonly SourceMessage[], signal: AbortSignal): Promise<Refusals> {
    const refused = new Map<number, ErrorBody>();
    const byStream = new Map<string, Item[]>();
    messages.forEach((message, index) => {
      try {
        const { stream, entry } = this.#check(message);
        const items = byStream.get(stream) ?? [];
        items.push({ index, entry });
        byStream.set(stream, items);
      } catch (error) {
        refused.set(index, errorBody(error));
      }
    });
    await Promise.all([...byStream].map(([stream, items]) => this.#append(stream, items, refused, signal)));
    if (refused.size > 0) this.#options.metrics.refused(refused.size);
    return refused;
  }

  async #append(
    stream: string,
    items: readonly Item[],
    refused: Map<number, ErrorBody>,
    signal: AbortSignal,
  ): Promise<void> {
    const { metrics } = this.#options;
    for (let start = 0; start < items.length; start += CHUNK) {
      const chunk = items.slice(start, start + CHUNK);
      // The next ones wait until all of these are answered, because the log keeps only the highest position.
      const results = await this.#untilAnswered(stream, chunk, signal);
      results.forEach(({ status }, i) => {
        if (status === 'appended') metrics.published(stream);
        else if (status === 'passed' || status === 'duplicate') metrics.repeated();
        else if (status === 'unknown_key') throw new Error('a connector deletes nothing');
        else refused.set(chunk[i]!.index, errorBody(refusalError(stream, chunk[i]!.entry, status)));
      });
    }
  }

  async #untilAnswered(stream: string, chunk: readonly Item[], signal: AbortSignal) {
    const { log, logger } = this.#options;
    const entries = chunk.map(({ entry }) => entry);
    const backoff = new Backoff();
    for (;;) {
      signal.throwIfAborted();
      try {
        return await log.append(stream, entries);
      } catch (error) {
        if (!(error instanceof HubError && ERRORS[error.code].status === 503)) throw error;
        logger.warn({ stream, error: String(error) }, 'connector: the log takes nothing now; trying again');
        await backoff.wait(signal);
      }
    }
  }

  #check({ topic: text, data, position, series, id }: SourceMessage): { stream: string; entry: AppendEntry } {
    const { streams, maxMessageBytes, source } = this.#options;
    const topic = parseTopic(text);
    if (topic === undefined || topic.key === ALL_KEYS) {
      throw new HubError(
        'bad_topic',
        `topic: "${text.slice(0, 200)}" is not the topic of a message; a topic is ${TOPIC_FORM}`,
        { field: 'topic' },
      );
    }
    if (!streams.has(topic.stream)) {
      throw new HubError('unknown_stream', `topic: there is no stream "${topic.stream}"`, { field: 'topic' });
    }
    const bytes = Buffer.byteLength(data);
    if (bytes > maxMessageBytes) {
      throw new HubError('too_large', `data: ${bytes} bytes; a message has at most ${maxMessageBytes}`, {
        field: 'data',
      });
    }
    if (isDeeperThan(data, MAX_DEPTH)) {
      throw new HubError('bad_request', `data: is nested more than ${MAX_DEPTH} deep`, { field: 'data' });
    }
    const origin = { source: series === undefined ? source : `${source}:${series}`, position };
    return {
      stream: topic.stream,
      entry: {
        key: topic.key,
        data: jsonText(data),
        ...(id === undefined ? { origin } : { id }),
      },
    };
  }
}
