/**
 * Metrics for Prometheus, as `catalogue.ts` lists them. The hot path only counts in plain numbers, which are read here
 * at each scrape.
 */
import {
  constants,
  type IntervalHistogram,
  monitorEventLoopDelay,
  type PerformanceEntry,
  PerformanceObserver,
} from 'node:perf_hooks';
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { ERRORS } from '../errors.js';
import { METRICS, type MetricOf } from './catalogue.js';
import { type MetricSources, type ReadMetric, readers } from './sources.js';

const LATENCY_BUCKETS_S = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5];
const PAUSE_BUCKETS_S = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1];
const LOOP_RESOLUTION_MS = 10;
/** The usual scrape interval of Prometheus, so that it misses no lag and sees none for longer than that. */
const LOOP_WINDOW_MS = 15_000;

const GC_KINDS: Readonly<Record<number, string>> = {
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakcb',
};

/** The monitor measures the time between two timers: whatever exceeds its own period is lag. */
function loopLagMs(histogram: IntervalHistogram): number {
  return Math.max(0, histogram.percentile(99) / 1e6 - LOOP_RESOLUTION_MS) || 0;
}

/** The error codes of answers, and failures that nobody waits for an answer to. */
const ERROR_KINDS = [
  ...(Object.keys(ERRORS) as ErrorCode[]),
  'malformed_payload',
  'adapter_publish',
] as const;
type ErrorKind = (typeof ERROR_KINDS)[number];

/** Errors by kind. Every kind starts at 0, so that its first increase is visible. */
export class ErrorCounts {
  readonly byKind = new Map<string, number>(ERROR_KINDS.map((kind) => [kind, 0]));

  count(kind: ErrorKind): void {
    this.byKind.set(kind, (this.byKind.get(kind) ?? 0) + 1);
  }
}

export class Metrics {
  readonly errors = new ErrorCounts();
  readonly #registry = new Registry();
  readonly #loopDelay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  readonly #delivery = this.#histogram('axiom_delivery_latency_seconds');
  readonly #publish = this.#histogram('axiom_publish_duration_seconds');
  readonly #requests = this.#histogram('axiom_http_request_duration_seconds');
  readonly #pauses = this.#histogram('nodejs_gc_duration_seconds', PAUSE_BUCKETS_S);
  #collections: PerformanceObserver | undefined;
  #lagWindow: NodeJS.Timeout | undefined;

  constructor() {
    this.#loopDelay.enable();
  }

  /** One message arrived `ms` after its commit. */
  delivered(ms: number): void {
    this.#delivery.observe(Math.max(0, ms) / 1000);
  }

  /** One request to the log was answered after `ms`: its messages are committed. */
  committed(ms: number): void {
    this.#publish.observe(ms / 1000);
  }

  /** One HTTP request was answered. `route` is the pattern, never the path. */
  request(method: string, route: string, status: number, ms: number): void {
    this.#requests.observe({ method, route, status: String(status) }, ms / 1000);
  }

  /** 99th percentile of the event loop's delay since the last call, ms. */
  takeLoopLagMs(): number {
    const lag = loopLagMs(this.#loopDelay);
    this.#loopDelay.reset();
    return lag;
  }

  /** Sets where the values come from, and starts to watch the process. Called once; {@link stop} ends it. */
  observe(sources: MetricSources): void {
    const own = { errors: this.errors.byKind, loopLagMs: this.#watchLoop() };
    const all = Object.entries(readers(sources, own)) as [ReadMetric, (set: AnySetter) => void][];
    for (const [name, read] of all) this.#collected(name, read);
    for (const kind of Object.values(GC_KINDS)) this.#pauses.zero({ kind });
    this.#collections = new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) {
        const { duration, detail } = entry as PerformanceEntry & { detail: { kind: number } };
        const kind = GC_KINDS[detail.kind];
        if (kind !== undefined) this.#pauses.observe({ kind }, duration / 1000);
      }
    });
    this.#collections.observe({ entryTypes: ['gc'] });
  }

  /** Undoes {@link observe}. */
  stop(): void {
    clearInterval(this.#lagWindow);
    this.#loopDelay.disable();
    this.#collections?.disconnect();
  }

  /** The text that Prometheus reads. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** @returns the greater lag of this window and the last, so that two readers do not take it from each other. */
  #watchLoop(): () => number {
    const delay = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
    delay.enable();
    let last = 0;
    this.#lagWindow = setInterval(() => {
      last = loopLagMs(delay);
      delay.reset();
    }, LOOP_WINDOW_MS).unref();
    return () => Math.max(last, loopLagMs(delay));
  }

  #histogram(name: MetricOf<'histogram'>, buckets = LATENCY_BUCKETS_S): Histogram {
    const { help, labels } = METRICS[name];
    return new Histogram({ name, help, labelNames: [...labels], buckets, registers: [this.#registry] });
  }

  #collected(name: ReadMetric, read: (set: AnySetter) => void): void {
    const { type, help, labels } = METRICS[name];
    const options = { name, help, labelNames: [...labels] as string[], registers: [this.#registry] };
    if (type === 'gauge') {
      const gauge: Gauge = new Gauge({
        ...options,
        collect: () => {
          gauge.reset();
          read((labelled, value) => gauge.set(labelled, value));
        },
      });
    } else {
      const counter: Counter = new Counter({
        ...options,
        collect: () => {
          counter.reset();
          read((labelled, value) => counter.inc(labelled, value));
        },
      });
    }
  }
}

type AnySetter = (labels: Record<string, string>, value: number) => void;
