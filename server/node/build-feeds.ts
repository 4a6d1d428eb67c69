/** Builds the publishers of the demo data: a part of the composition root. */
import type { NodeReport } from '@axiom-streaming/protocol/node-report';
import type { Leases } from '../cluster/leases.js';
import type { Config } from '../config/config.js';
import { demoFeeds } from '../feeds/demo-feeds.js';
import { FeedRunner } from '../feeds/runner.js';
import type { Publisher } from '../hub/operations/publisher.js';
import type { Logger } from '../logger.js';

/** @returns undefined if the configuration turns them off */
export function buildFeeds(
  { feeds, node, streams }: Config,
  parts: {
    readonly publisher: Publisher;
    readonly leases: Leases;
    /** The live nodes. */
    readonly reports: () => readonly NodeReport[];
    readonly logger: Logger;
  },
): FeedRunner | undefined {
  if (!feeds.isOn) return undefined;
  const { publisher, leases, reports, logger } = parts;
  return new FeedRunner({
    publisher,
    leases,
    holder: node.id,
    logger,
    feeds: demoFeeds({
      streams: new Set(streams.map(({ name }) => name)),
      reports,
      intervalMs: feeds.intervalMs,
    }),
  });
}
