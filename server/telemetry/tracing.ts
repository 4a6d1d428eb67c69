/**
 * Tracing with OpenTelemetry. This is the only file that imports its packages, and it is loaded only if tracing is
 * configured: they take a quarter of a second and some megabytes.
 *
 * Contexts are passed explicitly, from span to span and through Redis. A context manager was rejected: it makes every
 * asynchronous step of the node slower, and group commit would mix up the contexts that it tracks.
 */
import { type Context, ROOT_CONTEXT, type Span, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, ConsoleSpanExporter } from '@opentelemetry/sdk-trace-base';
import type { TracingConfig } from '../config/tracing-config.js';
import type { StreamMessage } from '../hub/tail/stream-message.js';
import type { TraceSpan, Tracing } from '../hub/tracing.js';
import type { Logger } from '../logger.js';

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;
const SAMPLED = 1;
const CLOSE_WITHIN_MS = 3_000;

/** Tracing; must be closed, so that the last spans are sent. */
export interface StartedTracing extends Tracing {
  close(): Promise<void>;
}

/** Starts tracing. A failure to send spans is only logged. */
export function startTracing(
  { exporter }: TracingConfig,
  { node, version, logger }: { node: string; version: string; logger: Logger },
): StartedTracing {
  const own = resourceFromAttributes({
    'service.name': 'axiom-streaming',
    'service.version': version,
    'service.instance.id': node,
  });
  const provider = new BasicTracerProvider({
    resource: defaultResource()
      .merge(own)
      .merge(detectResources({ detectors: [envDetector] })),
    spanProcessors: [
      new BatchSpanProcessor(exporter === 'console' ? new ConsoleSpanExporter() : new OTLPTraceExporter()),
    ],
  });
  const tracer = provider.getTracer('axiom-streaming', version);
  const begin = (name: string, kind: SpanKind, parent: Context, stream: string) =>
    tracer.startSpan(
      name,
      { kind, attributes: { 'messaging.system': 'axiom-streaming', 'messaging.destination.name': stream } },
      parent,
    );
  return {
    publish: (parent, topic, publish) => {
      const [stream = ''] = topic.split(':', 1);
      const span = begin(`publish ${stream}`, SpanKind.PRODUCER, contextOf(parent), stream);
      span.setAttribute('axiom.topic', topic);
      return within(span, publish);
    },
    commit: (parent, stream, count, commit) => {
      const span = begin(`commit ${stream}`, SpanKind.CLIENT, contextOf(parent.trace), stream);
      span.setAttribute('messaging.batch.message_count', count);
      return within(span, commit);
    },
    fanOut: (stream: string, message: StreamMessage) => {
      const span = begin(`fan-out ${stream}`, SpanKind.CONSUMER, contextOf(message.trace), stream);
      span.setAttributes({ 'axiom.topic': message.topic, 'axiom.seq': message.seq });
      return () => span.end();
    },
    close: async () => {
      const late = new Promise<never>((_, reject) => {
        setTimeout(() => reject(new Error('the collector does not answer')), CLOSE_WITHIN_MS).unref();
      });
      await Promise.race([provider.shutdown(), late]).catch((error: unknown) =>
        logger.warn({ error: String(error) }, 'tracing: the last spans could not be sent'),
      );
    },
  };
}

async function within<T>(span: Span, run: (span: TraceSpan) => Promise<T>): Promise<T> {
  try {
    return await run({
      trace: traceOf(span),
      set: (attribute, value) => span.setAttribute(attribute, value),
    });
  } catch (error) {
    span.setStatus({
      code: SpanStatusCode.ERROR,
      message: error instanceof Error ? error.message : String(error),
    });
    throw error;
  } finally {
    span.end();
  }
}

/** As a `traceparent` header; undefined for a span that is not recorded, so that nothing continues it. */
function traceOf(span: Span): string | undefined {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if ((traceFlags & SAMPLED) === 0) return undefined;
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

function contextOf(parent: string | undefined): Context {
  const [, traceId, spanId, flags = ''] = TRACEPARENT.exec(parent ?? '') ?? [];
  if (traceId === undefined || spanId === undefined) return ROOT_CONTEXT;
  const context = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return trace.setSpanContext(ROOT_CONTEXT, context);
}
