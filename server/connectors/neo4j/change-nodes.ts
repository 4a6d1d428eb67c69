/**
 * Change nodes: the application writes them into the graph in the same transaction as its changes, and they become
 * messages in the order of each topic. They work with every edition of Neo4j; only Enterprise captures changes itself.
 *
 * Neo4j has no sequences, and a reader that scans an index may see a later change but miss an earlier one that was
 * committed meanwhile. So the application takes the next number of the topic from a `HubTopic` node, whose lock
 * serialises the topic's transactions, and each change names the number before its own (`after`). A change whose
 * predecessor was neither sent nor seen waits for the next read: if the predecessor is still missing then, somebody has
 * deleted it.
 *
 * Numbers come from the clock (ms since the Unix epoch, or the last number plus one). So a graph that was restored to
 * an earlier moment continues with greater numbers, and the log does not mistake anything new for a repeat.
 *
 * Any number of connectors may run: they repeat one another's work, and the log takes each message once.
 */
import type { ErrorBody } from '@axiom-streaming/protocol/errors';
import { sleep } from '../../time/backoff.js';
import type { Surroundings } from '../keep-running.js';
import { type SourceMessage, SourceWriter, type SourceWriterOptions } from '../source-writer.js';
import type { Graph } from './driver.js';

const MEASURE_EVERY_MS = 5_000;
const SET_ASIDE_EVERY_MS = 60_000;
const NUMBER_DIGITS = 20;

/** They also make the queries below fast. */
const CONSTRAINTS = [
  'CREATE CONSTRAINT hub_topic IF NOT EXISTS FOR (t:HubTopic) REQUIRE t.topic IS UNIQUE',
  'CREATE CONSTRAINT hub_change IF NOT EXISTS FOR (c:HubChange) REQUIRE (c.topic, c.n) IS UNIQUE',
] as const;

/** A page of changes of the topics after `$topic`, in the order of topics, the oldest of each first. */
export const PAGE = `
MATCH (c:HubChange) WHERE c.topic > $topic AND c.n <= ${Number.MAX_SAFE_INTEGER}
WITH c ORDER BY c.topic, c.n LIMIT $limit
OPTIONAL MATCH (t:HubTopic {topic: c.topic})
RETURN c.topic AS topic, c.n AS n, c.after AS after, c.data AS data, t.sent AS sent
ORDER BY topic, n`;

/** Deletes changes that are in the log, or sets them aside with a reason; `sent` never decreases. */
export const ACKNOWLEDGE = `
UNWIND $topics AS topic
MERGE (t:HubTopic {topic: topic.name})
SET t.turn = true
WITH t, topic
SET t.sent = CASE WHEN coalesce(t.sent, 0) < topic.sent THEN topic.sent ELSE t.sent END
WITH topic
UNWIND topic.changes AS change
MATCH (c:HubChange {topic: topic.name, n: change.n})
FOREACH (_ IN CASE WHEN change.refused IS NULL THEN [1] ELSE [] END | DETACH DELETE c)
FOREACH (_ IN CASE WHEN change.refused IS NULL THEN [] ELSE [1] END |
  REMOVE c:HubChange SET c:HubChangeRefused, c.refused = change.refused)`;

/** Sets aside changes that no page would ever show, because their topic or number is not valid. @returns how many */
export const SET_ASIDE = `
MATCH (c:HubChange)
WHERE c.topic = '' OR coalesce(toStringOrNull(c.topic) <> c.topic, true)
  OR coalesce(toIntegerOrNull(c.n) <> c.n OR c.n > ${Number.MAX_SAFE_INTEGER}, true)
WITH c LIMIT $limit
REMOVE c:HubChange
SET c:HubChangeRefused, c.refused = 'bad_request: topic and n: are missing, or not a text and a whole number'
RETURN count(c) AS count`;

export const COUNT = 'MATCH (c:HubChange) RETURN count(c) AS count';
export const DATABASE = 'CALL db.info() YIELD id RETURN id';

export interface ChangeNodesOptions extends Surroundings, Omit<SourceWriterOptions, 'source'> {
  readonly graph: Graph;
  /** Time between two reads of the graph when there is nothing new. */
  readonly pollMs: number;
  /** Most changes in one page. */
  readonly batch: number;
}

interface Change {
  readonly topic: string;
  /** Number in the topic: ms since the Unix epoch when it was written. */
  readonly n: number;
  /** The number before it; 0 for the first of a topic. */
  readonly after: unknown;
  readonly data: unknown;
  /** The last number of the topic that was sent; null: none yet. */
  readonly sent: number | null;
}

/** Publishes change nodes until `signal` aborts. @throws Error if Neo4j fails. */
export async function carryChangeNodes(options: ChangeNodesOptions, works: () => void): Promise<void> {
  const { graph, logger, signal } = options;
  for (const constraint of CONSTRAINTS) await graph.run(constraint);
  const [database] = await graph.run(DATABASE);
  const source = `neo4j:${String(database?.id).slice(0, 16)}`;
  logger.info({ source }, 'neo4j: publishing change nodes');
  await new ChangeNodes(options, source).run(works, signal);
}

class ChangeNodes {
  readonly #options: ChangeNodesOptions;
  readonly #writer: SourceWriter;
  /** By topic: the change that waits because its predecessor was not seen. */
  #waiting = new Map<string, number>();
  #nextMeasuring = 0;
  #nextSettingAside = 0;

  constructor(options: ChangeNodesOptions, source: string) {
    this.#options = options;
    this.#writer = new SourceWriter({ ...options, source });
  }

  async run(works: () => void, signal: AbortSignal): Promise<void> {
    const { pollMs, metrics } = this.#options;
    for (;;) {
      // One round over all topics, so that a busy one delays the others by no more than its page.
      let topic: string | undefined = '';
      let sent = 0;
      let oldest = Number.POSITIVE_INFINITY;
      const waiting = new Map<string, number>();
      while (topic !== undefined) {
        signal.throwIfAborted();
        const page = await this.#page(topic);
        works();
        oldest = Math.min(oldest, ...page.changes.map(({ n }) => n));
        const ready = [...byTopic(page.changes)].flatMap(([name, changes]) =>
          this.#inTurn(name, changes, waiting),
        );
        await this.#send(ready);
        sent += ready.length;
        topic = page.next;
      }
      this.#waiting = waiting;
      metrics.lag(Number.isFinite(oldest) ? (Date.now() - oldest) / 1000 : 0);
      await this.#measure(sent === 0);
      if (sent === 0) await sleep(pollMs, signal);
    }
  }

  /** @returns changes, and the topic after which the next page begins */
  async #page(topic: string): Promise<{ changes: Change[]; next: string | undefined }> {
    const { graph, batch } = this.#options;
    const changes = (await graph.run(PAGE, { topic, limit: batch })) as unknown as Change[];
    return { changes, next: changes.length < batch ? undefined : changes.at(-1)?.topic };
  }

  /** The changes of one topic whose predecessors are known to have been sent. */
  #inTurn(topic: string, changes: readonly Change[], waiting: Map<string, number>): Change[] {
    const ready: Change[] = [];
    let last = changes[0]?.sent ?? 0;
    for (const change of changes) {
      // A change at or below `sent` was sent already, and only has to be deleted.
      const follows = change.n <= last || change.after === last || typeof change.after !== 'number';
      if (!follows) {
        if (this.#waiting.get(topic) !== change.n) {
          waiting.set(topic, change.n);
          break;
        }
        this.#options.logger.warn(
          { topic, after: last, next: change.n },
          'neo4j: a change between these two was deleted before it was sent',
        );
      }
      ready.push(change);
      last = Math.max(last, change.n);
    }
    return ready;
  }

  async #send(changes: readonly Change[]): Promise<void> {
    if (changes.length === 0) return;
    const { graph, logger, metrics, signal } = this.#options;
    const refusals = new Map<Change, ErrorBody>();
    const accepted: Change[] = [];
    const messages: SourceMessage[] = [];
    for (const change of changes) {
      const mistake = mistakeOf(change);
      if (mistake !== undefined) {
        refusals.set(change, { code: 'bad_request', message: mistake });
        metrics.refused();
        continue;
      }
      accepted.push(change);
      messages.push({
        topic: change.topic,
        data: change.data as string,
        series: change.topic,
        position: String(change.n).padStart(NUMBER_DIGITS, '0'),
      });
    }
    const refused = await this.#writer.write(messages, signal);
    for (const [index, error] of refused) refusals.set(accepted[index]!, error);
    for (const [{ topic, n }, { code, message }] of refusals) {
      logger.error({ topic, n, code, message }, 'neo4j: a change was refused and is set aside');
    }
    const topics = [...byTopic(changes)].map(([name, list]) => ({
      name,
      sent: list.at(-1)!.n,
      changes: list.map((change) => ({ n: change.n, refused: reasonOf(refusals.get(change)) })),
    }));
    await graph.run(ACKNOWLEDGE, { topics });
  }

  /** @param isIdle whether the last round found nothing to send */
  async #measure(isIdle: boolean): Promise<void> {
    if (performance.now() < this.#nextMeasuring) return;
    this.#nextMeasuring = performance.now() + MEASURE_EVERY_MS;
    const { graph, metrics } = this.#options;
    const [left] = await graph.run(COUNT);
    const count = Number(left?.count ?? 0);
    metrics.backlog('messages', count);
    // Setting aside reads every waiting change, so it is rare, but happens at once if there is nothing else to do.
    if (count === 0 || (!isIdle && performance.now() < this.#nextSettingAside)) return;
    await this.#setAside();
    this.#nextSettingAside = performance.now() + SET_ASIDE_EVERY_MS;
  }

  async #setAside(): Promise<void> {
    const { graph, metrics, batch, logger } = this.#options;
    let count: number;
    do {
      const [aside] = await graph.run(SET_ASIDE, { limit: batch });
      count = Number(aside?.count ?? 0);
      if (count === 0) return;
      metrics.refused(count);
      logger.error({ count }, 'neo4j: changes without topic and n were set aside');
    } while (count === batch);
  }
}

function byTopic(changes: readonly Change[]): Map<string, Change[]> {
  const groups = new Map<string, Change[]>();
  for (const change of changes) {
    const group = groups.get(change.topic);
    if (group === undefined) groups.set(change.topic, [change]);
    else group.push(change);
  }
  return groups;
}

function mistakeOf({ after, data }: Change): string | undefined {
  if (typeof after !== 'number') return 'after: is missing; it is the number before n, 0 for the first';
  if (typeof data !== 'string') return 'data: is missing; it is JSON text';
  try {
    JSON.parse(data);
    return undefined;
  } catch (error) {
    return `data: is not JSON: ${(error as Error).message}`;
  }
}

function reasonOf(error: ErrorBody | undefined): string | null {
  return error === undefined ? null : `${error.code}: ${error.message}`;
}
