/** What recoveries and history read: the log, and behind it the archive where one is configured. */

import { PostgresArchive } from '../archive/archive-reader.js';
import { ArchivedLog, type ReadableLog } from '../archive/archived-log.js';
import type { Config } from '../config/config.js';
import type { Logger } from '../logger.js';

export function buildPast(
  { ARCHIVE_URL, streams }: Config,
  log: ReadableLog,
  logger: Logger,
): { past: ReadableLog; close(): Promise<void> } {
  if (ARCHIVE_URL === '') return { past: log, close: async () => undefined };
  const archive = new PostgresArchive(ARCHIVE_URL, logger);
  const archived = new Set(streams.filter((stream) => stream.archive).map(({ name }) => name));
  return {
    past: new ArchivedLog({ log, archive, streams: archived, logger }),
    close: () => archive.close(),
  };
}
