/** Changes of a graph in Neo4j become messages: captured by Neo4j Enterprise, or written by the application. */

import { keepRunning, type Surroundings } from '../keep-running.js';
import type { SourceWriterOptions } from '../source-writer.js';
import { carryCapturedChanges } from './captured-changes.js';
import { carryChangeNodes } from './change-nodes.js';
import { connectNeo4j, type Neo4jOptions } from './driver.js';
import type { ElementMapping } from './element-mapping.js';

export interface Neo4jConnectorOptions
  extends Surroundings,
    Omit<SourceWriterOptions, 'source'>,
    Neo4jOptions {
  /** What Neo4j Enterprise captures; empty: change nodes are published. */
  readonly elements: readonly ElementMapping[];
  readonly pollMs: number;
  readonly batch: number;
}

/** Publishes changes until `signal` aborts. */
export function runNeo4j(options: Neo4jConnectorOptions): Promise<void> {
  return keepRunning(options, async (works) => {
    const graph = connectNeo4j(options);
    try {
      if (options.elements.length === 0) await carryChangeNodes({ ...options, graph }, works);
      else await carryCapturedChanges({ ...options, graph }, works);
    } finally {
      await graph.close();
    }
  });
}
