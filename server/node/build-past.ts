/** The source for recoveries and history: the log, and for older messages the archive if one is configured. */

import { ArchivedLog, type ReadableLog } from '../archive/archived-log.js';
import type { Config } from '../config/config.js';
import type { Logger } from '../logger.js';
import { loadOptional } from '../optional-packages.js';

/** @throws Error if an archive is configured and its driver is not installed */
export async function buildPast(
  { archive, streams }: Config,
  log: ReadableLog,
  logger: Logger,
): Promise<{ past: ReadableLog; close(): Promise<void> }> {
  if (archive.url === '') return { past: log, close: async () => undefined };
  const { PostgresArchive } = await loadOptional(
    'ARCHIVE_URL',
    ['pg'],
    () => import('../archive/archive-reader.js'),
  );
  const reader = new PostgresArchive(archive.url, logger);
  const archived = new Set(streams.filter((stream) => stream.archive).map(({ name }) => name));
  return {
    past: new ArchivedLog({ log, archive: reader, streams: archived, logger }),
    close: () => reader.close(),
  };
}
