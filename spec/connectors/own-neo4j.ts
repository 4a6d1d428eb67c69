/** A real Neo4j of a spec's own: the Community Edition with Bolt, in a folder of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from 'mocha';
import { connectNeo4j, type Graph } from '../../server/connectors/neo4j/driver.js';
import { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import { freePorts } from '../../server/local-cluster/ports.js';
import { neo4jFolder } from '../support/downloads.js';

const HERE = fileURLToPath(new URL('../../../spec/connectors/neo4j/', import.meta.url));

/** Skips a spec, and says so, where Neo4j cannot be had. */
export function needsNeo4j(context: Context): void {
  const missing = spawnSync('java', ['-version']).error === undefined ? neo4jFolder() : 'java';
  if (missing !== 'java' && existsSync(missing)) return;
  console.warn(
    `      SKIPPED: no Neo4j, ${missing} is missing (npm run test:all fetches it, or says why not)`,
  );
  context.skip();
}

export class OwnNeo4j {
  readonly url: string;
  readonly process: ManagedProcess;
  readonly #dir: string;
  readonly #graphs: Graph[] = [];

  private constructor(url: string, process: ManagedProcess, dir: string) {
    this.url = url;
    this.process = process;
    this.#dir = dir;
  }

  static async start(): Promise<OwnNeo4j> {
    const dir = mkdtempSync(join(tmpdir(), 'axiom-spec-neo4j-'));
    const port = await freePorts(1);
    const url = `bolt://127.0.0.1:${port}`;
    const process = new ManagedProcess({
      name: 'neo4j',
      command: 'java',
      args: ['-Xmx512m', '-cp', `${neo4jFolder()}/*`, `${HERE}/Neo4jServer.java`, dir, String(port)],
      ready: () => answers(url),
      readyWithinMs: 90_000,
    });
    try {
      await process.start();
    } catch (error) {
      rmSync(dir, { recursive: true, force: true });
      throw error;
    }
    return new OwnNeo4j(url, process, dir);
  }

  /** Another connection, closed with the rest. */
  connect(): Graph {
    const graph = graphAt(this.url);
    this.#graphs.push(graph);
    return graph;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#graphs.map((graph) => graph.close()));
    await this.process.stop('SIGKILL');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

function graphAt(url: string): Graph {
  return connectNeo4j({ url, user: '', password: '', database: '' });
}

async function answers(url: string): Promise<boolean> {
  const graph = graphAt(url);
  try {
    await graph.run('RETURN 1 AS one');
    return true;
  } catch {
    return false;
  } finally {
    await graph.close();
  }
}
