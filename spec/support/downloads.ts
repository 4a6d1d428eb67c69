/** What a full run of the specs downloads once, into the user's cache. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Names the version of Neo4j, for Maven. */
export const NEO4J_POM = fileURLToPath(new URL('../../../spec/connectors/neo4j/pom.xml', import.meta.url));

/** The pages of docs/integrations/airflow name it, too. */
const AIRFLOW = '3.3.2';

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'axiom-streaming-specs');
}

/** The folder of Neo4j's libraries. */
export function neo4jFolder(): string {
  const [, version = ''] = /<version>(5\..*)<\/version>/.exec(readFileSync(NEO4J_POM, 'utf8')) ?? [];
  return join(cacheFolder(), `neo4j-${version}`);
}

/** A virtual environment of Python with Airflow; `complete` is a file that is there once all of it is. */
export function airflowFolder(): {
  readonly folder: string;
  readonly version: string;
  readonly complete: string;
} {
  const folder = join(cacheFolder(), `airflow-${AIRFLOW}`);
  return { folder, version: AIRFLOW, complete: join(folder, 'complete') };
}
