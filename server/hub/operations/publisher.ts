import type { Ack, PublishAnswer } from '@axiom-streaming/protocol/answers';
import { flawOf, hasEndlessNumber } from '@axiom-streaming/protocol/json';
import { ALL_KEYS, type Topic, topicName } from '@axiom-streaming/protocol/topic';
import { errorBody, HubError } from '../../errors.js';
import { refusalError } from '../../log/append-refusals.js';
import type { AppendEntry, AppendResult, StreamLog } from '../../log/stream-log.js';
import { HUB_ITSELF, type Principal, requirePublish } from '../access.js';
import type { Hub } from '../hub.js';
import type { TraceSpan, Tracing } from '../tracing.js';

/** One message to publish. */
export interface Publication {
  readonly topic: string;
  /** JSON text, see {@link jsonText}. */
  readonly data: string;
  /** Makes a repeat within five minutes harmless. */
  readonly id?: string | undefined;
  /** `traceparent` of the publisher; used only if publications are traced. */
  readonly traceparent?: string | undefined;
}

/** The result of one item of a batch. */
export type PublishResult = Ack<'publish'>;

/** What was published by this node, for metrics. */
export interface PublishCounters {
  /** Committed messages by stream. */
  readonly published: Map<string, number>;
  readonly refused: Map<RefusalReason, number>;
}

/** Why publications that could be read are refused. */
const REFUSALS = [
  'too_large',
  'too_deep',
  'idempotency_conflict',
  'too_many_keys',
  'quota_exceeded',
] as const;
type RefusalReason = (typeof REFUSALS)[number];

/**
 * JSON text of a message's data, as it will be carried: without line breaks, which SSE could not carry. In JSON a line
 * break can only be white space between tokens, so the value is the same, and numbers keep their digits.
 *
 * @param text valid JSON
 * @throws HubError `bad_request` for a number beyond the range of a 64-bit float
 */
export function jsonText(text: string): string {
  if (hasEndlessNumber(text)) throw unfit('has a number beyond the range of a 64-bit float');
  return /[\r\n]/.test(text) ? text.replace(/[\r\n]+/g, ' ').trim() : text.trim();
}

/**
 * JSON text of data that has been parsed already, in a batch or on a socket. @throws HubError `bad_request` for what
 * JSON cannot say: numbers beyond the range of a 64-bit float, bytes
 */
export function dataText(data: unknown): string {
  let text: string;
  try {
    text = JSON.stringify(data);
  } catch (error) {
    throw unfit(
      error instanceof RangeError ? 'is nested too deep' : (flawOf(data) ?? 'cannot be written as JSON'),
    );
  }
  // The marks that numbers without an end and bytes leave in the text: only then is it worth a walk.
  const flaw = text.includes('null') || text.includes('"type":"Buffer"') ? flawOf(data) : undefined;
  if (flaw !== undefined) throw unfit(flaw);
  return text;
}

function unfit(flaw: string): HubError {
  return new HubError('bad_request', `data: ${flaw}`, { field: 'data' });
}

/** Clients and encoders walk data recursively: anything deeper than this could be stored, but not read. */
export const MAX_DEPTH = 128;

/** Whether arrays and objects of a JSON text are nested deeper than `limit`. */
export function isDeeperThan(json: string, limit: number): boolean {
  // Most texts are too short to be nested that deep.
  if (json.length <= 2 * limit) return false;
  let depth = 0;
  let inString = false;
  for (let i = 0; i < json.length; i++) {
    const char = json.charCodeAt(i);
    if (inString) {
      if (char === 0x5c) i += 1;
      else if (char === 0x22) inString = false;
    } else if (char === 0x22) {
      inString = true;
    } else if (char === 0x5b || char === 0x7b) {
      depth += 1;
      if (depth > limit) return true;
    } else if (char === 0x5d || char === 0x7d) {
      depth -= 1;
    }
  }
  return false;
}

/** Whether a refusal by the log has a counter of its own here. */
function isCounted(code: string): code is RefusalReason {
  return REFUSALS.some((reason) => reason === code);
}

/** Validates and commits publications. */
export class Publisher {
  readonly counters: PublishCounters = {
    published: new Map(),
    refused: new Map(REFUSALS.map((reason) => [reason, 0])),
  };
  readonly #hub: Hub;
  readonly #log: StreamLog;
  readonly #maxBytes: number;
  readonly #onCommit: (ms: number) => void;
  readonly #tracing: Tracing | undefined;

  /** @param options.onCommit called for each request to the log that succeeded, with the time it took, ms */
  constructor(options: {
    hub: Hub;
    log: StreamLog;
    maxMessageBytes: number;
    onCommit?: (ms: number) => void;
    tracing?: Tracing | undefined;
  }) {
    this.#tracing = options.tracing;
    this.#onCommit = options.onCommit ?? (() => undefined);
    this.#hub = options.hub;
    this.#log = options.log;
    this.#maxBytes = options.maxMessageBytes;
  }

  /**
   * Publishes one message.
   *
   * @param principal who publishes; default: the hub itself
   * @throws HubError if it is not committed, or if that is unknown.
   */
  async publish(publication: Publication, principal: Principal = HUB_ITSELF): Promise<PublishAnswer> {
    if (this.#tracing === undefined) return this.#publish(publication, principal);
    const { topic, traceparent } = publication;
    return this.#tracing.publish(traceparent, topic, async (span) => {
      const published = await this.#publish(publication, principal, span);
      span.set('axiom.seq', published.seq);
      return published;
    });
  }

  /**
   * Publishes many messages: those of one stream in order, each with its own result. A refused message does not hold
   * back the others. Traced as one publication, in the trace of the first message.
   */
  async publishAll(
    publications: readonly Publication[],
    principal: Principal = HUB_ITSELF,
  ): Promise<PublishResult[]> {
    const [first] = publications;
    if (this.#tracing === undefined || first === undefined) return this.#publishAll(publications, principal);
    const { topic, traceparent } = first;
    return this.#tracing.publish(traceparent, topic, (span) => {
      span.set('messaging.batch.message_count', publications.length);
      return this.#publishAll(publications, principal, span);
    });
  }

  async #publish(publication: Publication, principal: Principal, span?: TraceSpan): Promise<PublishAnswer> {
    const { stream, entry } = this.#check(publication, principal);
    const [result] = await this.#append(stream, [entry], span);
    return this.#outcome(stream, entry, result!);
  }

  async #publishAll(
    publications: readonly Publication[],
    principal: Principal,
    span?: TraceSpan,
  ): Promise<PublishResult[]> {
    const results = new Array<PublishResult>(publications.length);
    const byStream = new Map<string, { index: number; entry: AppendEntry }[]>();
    publications.forEach((publication, index) => {
      try {
        const { stream, entry } = this.#check(publication, principal);
        const items = byStream.get(stream) ?? [];
        items.push({ index, entry });
        byStream.set(stream, items);
      } catch (error) {
        results[index] = { ok: false, error: errorBody(error) };
      }
    });
    await Promise.all(
      [...byStream].map(async ([stream, items]) => {
        try {
          const outcomes = await this.#append(
            stream,
            items.map(({ entry }) => entry),
            span,
          );
          items.forEach(({ index, entry }, i) => {
            try {
              results[index] = { ok: true, ...this.#outcome(stream, entry, outcomes[i]!) };
            } catch (error) {
              results[index] = { ok: false, error: errorBody(error) };
            }
          });
        } catch (error) {
          for (const { index } of items) results[index] = { ok: false, error: errorBody(error) };
        }
      }),
    );
    return results;
  }

  async #append(stream: string, entries: readonly AppendEntry[], span?: TraceSpan): Promise<AppendResult[]> {
    const started = performance.now();
    const results =
      span?.trace === undefined || this.#tracing === undefined
        ? await this.#log.append(stream, entries)
        : await this.#tracing.commit(span, stream, entries.length, ({ trace }) =>
            this.#log.append(
              stream,
              entries.map((entry) => (trace === undefined ? entry : { ...entry, trace })),
            ),
          );
    this.#onCommit(performance.now() - started);
    return results;
  }

  /**
   * Checks what a topic alone tells, before the data is there: that it can be published to, and by whom.
   *
   * @returns undefined if it can; otherwise a promise that rejects as {@link publish} would, and is traced as that
   */
  refuseTopic(
    topic: string,
    principal: Principal,
    traceparent: string | undefined,
  ): Promise<never> | undefined {
    try {
      this.#checkTopic(topic, principal);
      return undefined;
    } catch (error) {
      const refuse = () => Promise.reject<never>(error);
      return this.#tracing === undefined ? refuse() : this.#tracing.publish(traceparent, topic, refuse);
    }
  }

  #checkTopic(text: string, principal: Principal): Topic {
    const topic = this.#hub.topic(text, 'topic');
    if (topic.key === ALL_KEYS) {
      throw new HubError('bad_topic', `topic: "${text}" names a whole stream; a message has one key`, {
        field: 'topic',
      });
    }
    requirePublish(principal, topic, 'topic');
    return topic;
  }

  /** Checks what can be checked without the log. @throws HubError that names the field. */
  #check(
    { topic: text, data, id }: Publication,
    principal: Principal,
  ): { stream: string; entry: AppendEntry } {
    const { stream, key } = this.#checkTopic(text, principal);
    const bytes = Buffer.byteLength(data);
    if (bytes > this.#maxBytes) {
      this.#refuse('too_large');
      throw new HubError('too_large', `data: ${bytes} bytes; a message has at most ${this.#maxBytes}`, {
        field: `data`,
      });
    }
    if (isDeeperThan(data, MAX_DEPTH)) {
      this.#refuse('too_deep');
      throw new HubError('bad_request', `data: is nested more than ${MAX_DEPTH} deep`, { field: 'data' });
    }
    const subject = principal === HUB_ITSELF ? undefined : principal.subject;
    return { stream, entry: id === undefined ? { key, data, subject } : { key, data, subject, id } };
  }

  #outcome(stream: string, entry: AppendEntry, result: AppendResult): PublishAnswer {
    const topic = topicName(stream, entry.key);
    switch (result.status) {
      case 'appended': {
        const { published } = this.counters;
        published.set(stream, (published.get(stream) ?? 0) + 1);
        return { topic, seq: result.seq, epoch: result.epoch, time: result.time };
      }
      case 'duplicate':
        return { topic, seq: result.seq, epoch: result.epoch, time: result.time, duplicate: true };
      case 'passed':
      case 'unknown_key':
        throw new Error(`a publication has no position in a source and deletes nothing: ${result.status}`);
      default: {
        const error = refusalError(stream, entry, result.status);
        if (isCounted(error.code)) this.#refuse(error.code);
        throw error;
      }
    }
  }

  #refuse(reason: RefusalReason): void {
    const { refused } = this.counters;
    refused.set(reason, (refused.get(reason) ?? 0) + 1);
  }
}
