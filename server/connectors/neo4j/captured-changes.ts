/**
 * Change data capture of Neo4j Enterprise: changes of nodes and relationships become messages, without any change to
 * the application.
 *
 * Changes are read in the order of their transactions. That order is the position of a change, so the log takes none
 * twice. The identifier to continue from is saved in the graph itself once the log has the messages; if the connector
 * is killed in between, it gets the same ones again. The node that holds it is never captured, because only mapped
 * elements are.
 */
import { sleep } from '../../time/backoff.js';
import type { Surroundings } from '../keep-running.js';
import { type SourceMessage, SourceWriter, type SourceWriterOptions } from '../source-writer.js';
import { type Graph, GraphError } from './driver.js';
import type { ElementMapping } from './element-mapping.js';

/** How often the identifier is saved while there are no changes: old ones become invalid as Neo4j drops its own log. */
const KEEP_EVERY_MS = 30_000;
const TRANSACTION_DIGITS = 20;
const NUMBER_DIGITS = 10;
/** The topic that reports show for a change without one. */
const NO_TOPIC = '-';
const SOURCE = 'captured-changes';

export const CONSTRAINT =
  'CREATE CONSTRAINT hub_source IF NOT EXISTS FOR (s:HubSource) REQUIRE s.name IS UNIQUE';
export const CURRENT = 'CALL db.cdc.current() YIELD id RETURN id';
/** `life` identifies one history of the graph. */
export const START = `
MERGE (s:HubSource {name: $name})
ON CREATE SET s.life = randomUUID(), s.from = $current
RETURN s.life AS life, s.from AS from`;
export const CHANGES = `
CALL db.cdc.query($from, $selectors) YIELD id, txId, seq, metadata, event
RETURN id, txId, seq, metadata.txCommitTime AS time, event LIMIT $limit`;
export const KEEP = 'MATCH (s:HubSource {name: $name}) SET s.from = $from';
export const SET_ASIDE = `
UNWIND $refused AS refused
MERGE (r:HubChangeRefused {life: $life, position: refused.position})
SET r.topic = refused.topic, r.data = refused.data, r.refused = refused.reason`;

export interface CapturedChangesOptions extends Surroundings, Omit<SourceWriterOptions, 'source'> {
  readonly graph: Graph;
  readonly elements: readonly ElementMapping[];
  /** Time between two reads of the graph when there is nothing new. */
  readonly pollMs: number;
  /** Most changes in one batch. */
  readonly batch: number;
}

/** A change as `db.cdc.query` returns it: a node has `labels`; a relationship has `type`, `start` and `end`. */
export interface CapturedChange {
  readonly id: string;
  readonly txId: number;
  readonly seq: number;
  /** ISO 8601. */
  readonly time: string;
  readonly event: {
    readonly eventType: 'n' | 'r';
    readonly operation: 'c' | 'u' | 'd';
    readonly elementId: string;
    readonly labels?: readonly string[];
    readonly type?: string;
    readonly keys?: unknown;
    readonly start?: unknown;
    readonly end?: unknown;
    readonly state: { readonly before: State | null; readonly after: State | null };
  };
}

interface State {
  readonly properties: Readonly<Record<string, unknown>>;
  readonly labels?: readonly string[];
}

/** Publishes captured changes until `signal` aborts. @throws Error if Neo4j fails, or captures nothing. */
export async function carryCapturedChanges(
  options: CapturedChangesOptions,
  works: () => void,
): Promise<void> {
  const { graph, elements, pollMs, batch, metrics, logger, signal } = options;
  const selectors = elements.map(({ kind, name }) =>
    kind === 'node' ? { select: 'n', labels: [name] } : { select: 'r', type: name },
  );
  const current = await currentId(graph);
  await graph.run(CONSTRAINT);
  const [start] = await graph.run(START, { name: SOURCE, current });
  const life = String(start?.life);
  let from = String(start?.from);
  const writer = new SourceWriter({ ...options, source: `neo4j:${life}` });
  logger.info({ source: `neo4j:${life}` }, 'neo4j: publishing captured changes');
  let keptAt = performance.now();
  let limit = batch;
  for (;;) {
    signal.throwIfAborted();
    const top = await currentId(graph);
    const found = (await graph.run(CHANGES, { from, selectors, limit })) as unknown as CapturedChange[];
    works();
    const isFull = found.length === limit;
    const changes = isFull ? wholeTransactions(found) : found;
    if (isFull && changes.length === 0) {
      limit *= 2;
      continue;
    }
    limit = batch;
    const [oldest] = changes;
    metrics.lag(oldest === undefined ? 0 : (Date.now() - Date.parse(oldest.time)) / 1000);
    if (oldest !== undefined) await write(changes);
    // No mapped change was committed before `top`, which was read before the query.
    const next = changes.at(-1)?.id ?? top;
    const isDue = changes.length > 0 || (next !== from && performance.now() - keptAt > KEEP_EVERY_MS);
    from = next;
    if (isDue) {
      await graph.run(KEEP, { name: SOURCE, from });
      keptAt = performance.now();
    }
    if (!isFull) await sleep(pollMs, signal);
  }

  async function write(changes: readonly CapturedChange[]): Promise<void> {
    const messages = changes.map((change) => messageOf(change, elements));
    const refused = [...(await writer.write(messages, signal))].map(([index, { code, message }]) => {
      const { topic, data, position } = messages[index]!;
      const reason =
        topic === NO_TOPIC ? 'a property that the topic is made from is missing' : `${code}: ${message}`;
      logger.error({ position, topic, reason }, 'neo4j: a change was refused and is set aside');
      return { topic, data, position, reason };
    });
    if (refused.length > 0) await graph.run(SET_ASIDE, { life, refused });
  }
}

/**
 * The changes without those of the last transaction, which may have more: an identifier is documented to point to a
 * transaction, but not whether reading may continue from the middle of one.
 */
function wholeTransactions(changes: readonly CapturedChange[]): CapturedChange[] {
  const last = changes.at(-1)?.txId;
  return changes.filter(({ txId }) => txId !== last);
}

async function currentId(graph: Graph): Promise<string> {
  try {
    const [row] = await graph.run(CURRENT);
    return String(row?.id);
  } catch (error) {
    if (error instanceof GraphError && error.code.endsWith('ProcedureNotFound')) {
      throw new Error(
        'NEO4J_ELEMENTS: this edition of Neo4j does not capture changes; leave it empty, and write change nodes',
        { cause: error },
      );
    }
    throw error;
  }
}

function messageOf(change: CapturedChange, elements: readonly ElementMapping[]): SourceMessage {
  const { txId, seq, event } = change;
  const { before, after } = event.state;
  const mapping = elements.find(({ kind, name }) =>
    kind === 'node'
      ? event.eventType === 'n' &&
        [event.labels, before?.labels, after?.labels].some((l) => l?.includes(name))
      : event.eventType === 'r' && event.type === name,
  );
  return {
    topic: mapping?.topicOf(textsOf((after ?? before)?.properties ?? {})) ?? NO_TOPIC,
    data: dataOf(event),
    position: `${String(txId).padStart(TRANSACTION_DIGITS, '0')}.${String(seq).padStart(NUMBER_DIGITS, '0')}`,
  };
}

function textsOf(properties: Readonly<Record<string, unknown>>): Map<string, string> {
  const simple = Object.entries(properties).filter(([, value]) =>
    ['string', 'number', 'boolean'].includes(typeof value),
  );
  return new Map(simple.map(([name, value]) => [name, String(value)]));
}

const OPERATIONS = { c: 'create', u: 'update', d: 'delete' } as const;

function dataOf(event: CapturedChange['event']): string {
  const { eventType, operation, elementId: id, labels, type, keys, start, end, state } = event;
  return JSON.stringify({
    op: OPERATIONS[operation],
    ...(eventType === 'n'
      ? { kind: 'node', id, labels, keys }
      : { kind: 'relationship', id, type, start, end }),
    before: state.before?.properties ?? null,
    after: state.after?.properties ?? null,
  });
}
