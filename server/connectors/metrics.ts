/** The metrics of a connector for Prometheus. */
import { Counter, Gauge, Registry } from 'prom-client';

export class ConnectorMetrics {
  readonly #registry = new Registry();
  readonly #published: Counter;
  readonly #repeated: Counter;
  readonly #refused: Counter;
  readonly #failures: Counter;
  readonly #lag: Gauge;
  readonly #backlog: Gauge;
  readonly #slot: Gauge;
  readonly #missed: Counter;
  readonly #up: Gauge;
  #isUp = false;

  /** @param connector name of the connector, a label of every metric */
  constructor(connector: string) {
    this.#registry.setDefaultLabels({ connector });
    const registers = [this.#registry];
    this.#published = new Counter({
      name: 'axiom_connector_messages_total',
      help: 'Messages that the connector published or archived, by stream.',
      labelNames: ['stream'],
      registers,
    });
    this.#repeated = new Counter({
      name: 'axiom_connector_repeats_total',
      help: 'Messages that were sent again and were in the log already.',
      registers,
    });
    this.#refused = new Counter({
      name: 'axiom_connector_refused_total',
      help: 'Messages that were refused and set aside.',
      registers,
    });
    this.#failures = new Counter({
      name: 'axiom_connector_failures_total',
      help: 'Attempts that ended with an error; each is followed by another after a pause.',
      registers,
    });
    this.#lag = new Gauge({
      name: 'axiom_connector_lag_seconds',
      help: 'Age of the oldest message that is still waiting in the source; 0: none.',
      registers,
    });
    this.#backlog = new Gauge({
      name: 'axiom_connector_backlog',
      help: 'What is still waiting in the source, by unit: rows, bytes of a replication slot, or messages.',
      labelNames: ['unit'],
      registers,
    });
    this.#slot = new Gauge({
      name: 'axiom_connector_slot_retained_bytes',
      help: 'Write-ahead log that PostgreSQL keeps for the replication slot.',
      registers,
    });
    this.#missed = new Counter({
      name: 'axiom_connector_missed_total',
      help: 'Messages that were trimmed from the log before they were archived, by stream.',
      labelNames: ['stream'],
      registers,
    });
    this.#up = new Gauge({
      name: 'axiom_connector_up',
      help: '1 while the connector works; 0 while it waits for its source, or for another of its kind.',
      registers,
    });
    this.#up.set(0);
  }

  /** Whether the connector works now. */
  get isUp(): boolean {
    return this.#isUp;
  }

  published(stream: string, count = 1): void {
    this.#published.inc({ stream }, count);
  }

  repeated(): void {
    this.#repeated.inc();
  }

  refused(count = 1): void {
    this.#refused.inc(count);
  }

  failed(): void {
    this.#failures.inc();
  }

  lag(seconds: number): void {
    this.#lag.set(Math.max(0, seconds));
  }

  backlog(unit: 'rows' | 'bytes' | 'messages', count: number): void {
    this.#backlog.set({ unit }, count);
  }

  missed(stream: string, count: number): void {
    this.#missed.inc({ stream }, count);
  }

  slot(bytes: number): void {
    this.#slot.set(bytes);
  }

  up(isUp: boolean): void {
    this.#isUp = isUp;
    this.#up.set(isUp ? 1 : 0);
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
}
