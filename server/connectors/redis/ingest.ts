/**
 * Publishes the entries of a Redis Stream, which any Redis client can write: `XADD hub:ingest * topic market:AAPL data
 * {…}`.
 *
 * Entries are read through a consumer group and acknowledged after their commit. After taking new entries, a connector
 * reads the group's pending list from its beginning, so before it sends an entry it has sent all older ones that are
 * not acknowledged. So the id of an entry is a high-water mark in the log, and any number of connectors may run, be
 * stopped or be killed at any moment without a lease: they repeat one another's work, and the log takes each message
 * once.
 */
import type { ErrorBody } from '@axiom-streaming/protocol/errors';
import { withoutBom } from '@axiom-streaming/protocol/json';
import { errorBody, HubError } from '../../errors.js';
import type { RedisLink, Reply } from '../../redis/redis-link.js';
import { keepRunning, type Surroundings } from '../keep-running.js';
import { type SourceMessage, SourceWriter, type SourceWriterOptions } from '../source-writer.js';

const BATCH = 500;
/** How long a read waits for entries; the connection's liveness probe waits behind it. */
const BLOCK_MS = 500;
const DEADLINE_MS = 3_000;
/** All connectors use one consumer name, so that each takes over what another left. */
const CONSUMER = 'hub';
/** Approximate number of refused entries that are kept. */
const REFUSED_MAX = 10_000;

export interface IngestOptions extends Surroundings, Omit<SourceWriterOptions, 'source'> {
  readonly link: RedisLink;
  /** Key of the stream. Entries that were refused go to `<key>:refused`. */
  readonly key: string;
  readonly group: string;
}

/** An entry of the stream; its fields are undefined if it was deleted before it was read. */
interface Entry {
  readonly id: string;
  readonly fields: ReadonlyMap<string, string> | undefined;
}

/** Publishes the entries of the stream until `signal` aborts. */
export function runIngest(options: IngestOptions): Promise<void> {
  const { link, key, group, metrics, logger, signal } = options;
  const writer = new SourceWriter({ ...options, source: `ingest:${key}` });
  const read = (from: string) =>
    link.command(
      [
        ...['XREADGROUP', 'GROUP', group, CONSUMER, 'COUNT', String(BATCH)],
        ...(from === '>' ? ['BLOCK', String(BLOCK_MS)] : []),
        ...['STREAMS', key, from],
      ],
      DEADLINE_MS,
    );

  return keepRunning(options, async (works) => {
    await makeGroup(link, key, group);
    let mayBePending = true;
    for (;;) {
      signal.throwIfAborted();
      works();
      if (!mayBePending && entriesOf(await read('>')).length === 0) {
        metrics.lag(0);
        continue;
      }
      const entries = entriesOf(await read('0'));
      mayBePending = entries.length === BATCH;
      if (entries.length === 0) continue;
      metrics.lag((Date.now() - timeOf(entries[0]!.id)) / 1000);
      await carry(entries);
    }
  });

  async function carry(entries: readonly Entry[]): Promise<void> {
    const refused = new Map<Entry, ErrorBody>();
    const accepted: Entry[] = [];
    const messages: SourceMessage[] = [];
    for (const entry of entries) {
      try {
        messages.push(messageOf(entry));
        accepted.push(entry);
      } catch (error) {
        refused.set(entry, errorBody(error));
        metrics.refused();
      }
    }
    const byIndex = await writer.write(messages, signal);
    for (const [index, error] of byIndex) refused.set(accepted[index]!, error);
    for (const [entry, error] of refused) await setAside(entry, error);
    const ids = entries.map(({ id }) => id);
    // In one write: an entry that was acknowledged but not deleted, because of a kill in between, would stay for ever.
    await Promise.all([
      link.command(['XACK', key, group, ...ids], DEADLINE_MS),
      link.command(['XDEL', key, ...ids], DEADLINE_MS),
    ]);
  }

  async function setAside({ id, fields = new Map() }: Entry, { code, message }: ErrorBody): Promise<void> {
    logger.error({ id, code, message }, 'ingest: an entry was refused and is set aside');
    await link.command(
      [
        ...['XADD', `${key}:refused`, 'MAXLEN', '~', String(REFUSED_MAX), '*'],
        ...['entry', id, 'refused', `${code}: ${message}`],
        ...[...fields].flat(),
      ],
      DEADLINE_MS,
    );
  }
}

async function makeGroup(link: RedisLink, key: string, group: string): Promise<void> {
  try {
    await link.command(['XGROUP', 'CREATE', key, group, '0', 'MKSTREAM']);
  } catch (error) {
    if (!String(error).includes('BUSYGROUP')) throw error;
  }
}

/** @throws HubError for an entry that will never become a message. */
function messageOf({ id, fields }: Entry): SourceMessage {
  const topic = fields?.get('topic');
  const text = fields?.get('data');
  const data = text === undefined ? undefined : withoutBom(text);
  if (topic === undefined || data === undefined) {
    const field = topic === undefined ? 'topic' : 'data';
    throw new HubError('bad_request', `${field}: is missing; an entry has topic and data`, { field });
  }
  try {
    JSON.parse(data);
  } catch (error) {
    throw new HubError('bad_json', `data: is not JSON: ${(error as Error).message}`, { field: 'data' });
  }
  const publicationId = fields?.get('id');
  return {
    topic,
    data,
    position: positionOf(id),
    ...(publicationId === undefined ? {} : { id: publicationId }),
  };
}

/** `1763900000000-7` padded with zeros, so that texts sort in the order of the ids. */
function positionOf(id: string): string {
  const [time = '', number = ''] = id.split('-');
  return `${time.padStart(20, '0')}-${number.padStart(20, '0')}`;
}

function timeOf(id: string): number {
  return Number.parseInt(id, 10);
}

/** The entries of the only stream in the reply. */
function entriesOf(reply: Reply): Entry[] {
  if (!Array.isArray(reply)) return [];
  const [stream] = reply;
  const entries = Array.isArray(stream) ? stream[1] : undefined;
  if (!Array.isArray(entries)) return [];
  return entries.flatMap((entry) => {
    if (!Array.isArray(entry)) return [];
    const [id, fields] = entry;
    return [{ id: String(id), fields: Array.isArray(fields) ? pairs(fields) : undefined }];
  });
}

function pairs(fields: readonly Reply[]): Map<string, string> {
  const found = new Map<string, string>();
  for (let i = 0; i + 1 < fields.length; i += 2) found.set(String(fields[i]), String(fields[i + 1]));
  return found;
}
