/** What recoveries and history read: the log, and behind it the archive where one is configured. */

import { PostgresArchive } from '../archive/archive-reader.js';
import { ArchivedLog, type ReadableLog } from '../archive/archived-log.js';
import type { Config } from '../config/config.js';
import type { Logger } from '../logger.js';

export function buildPast(
  { archive, streams }: Config,
  log: ReadableLog,
  logger: Logger,
): { past: ReadableLog; close(): Promise<void> } {
  if (archive.url === '') return { past: log, close: async () => undefined };
  const reader = new PostgresArchive(archive.url, logger);
  const archived = new Set(streams.filter((stream) => stream.archive).map(({ name }) => name));
  return {
    past: new ArchivedLog({ log, archive: reader, streams: archived, logger }),
    close: () => reader.close(),
  };
}
