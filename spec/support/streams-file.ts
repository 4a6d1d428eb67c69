/** Files that `STREAMS_FILE` names; gone with the process. */
import { randomUUID } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** @param streams as the file has them: by name, class and so on */
export function streamsFile(streams: unknown): string {
  const path = join(tmpdir(), `axiom-spec-streams-${randomUUID()}.json`);
  writeFileSync(path, JSON.stringify(streams));
  process.on('exit', () => rmSync(path, { force: true }));
  return path;
}
