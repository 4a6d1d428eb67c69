/** The spans of publications, made only if tracing is configured. */
import type { Flusher } from './delivery/flusher.js';
import type { StreamMessage } from './tail/stream-message.js';

/** A span that is under way. */
export interface TraceSpan {
  /** The context of what belongs to it, as in a `traceparent` header; undefined if this trace is not sampled. */
  readonly trace: string | undefined;
  /** Says more about it. */
  set(attribute: string, value: string | number): void;
}

/** Spans publish → commit → fan-out, the last on every node. */
export interface Tracing {
  /**
   * Publishes within a span.
   *
   * @param parent the `traceparent` of the publisher; anything else begins a new trace
   */
  publish<T>(parent: string | undefined, topic: string, publish: (span: TraceSpan) => Promise<T>): Promise<T>;
  /** Commits `count` messages of a stream within a span. */
  commit<T>(
    parent: TraceSpan,
    stream: string,
    count: number,
    commit: (span: TraceSpan) => Promise<T>,
  ): Promise<T>;
  /** Begins the span of a message on this node. @returns what ends it */
  fanOut(stream: string, message: StreamMessage): () => void;
}

/** Delivers a message within a span, which ends when it was written to connections. */
export function deliverTraced(
  tracing: Tracing,
  parts: {
    stream: string;
    message: StreamMessage;
    fanout: { deliver(message: StreamMessage): void };
    flusher: Flusher;
  },
): void {
  const { stream, message, fanout, flusher } = parts;
  const end = tracing.fanOut(stream, message);
  fanout.deliver(message);
  flusher.afterFlush(end);
}
