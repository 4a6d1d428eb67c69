/** A node of its own for specs of HTTP: embedded, without feeds, on a port that is free. */

import { readConfig } from '../../server/config/config.js';
import { type Logger, silentLogger } from '../../server/logger.js';
import { type RunningNode, startNode } from '../../server/node/start-node.js';
import { SPEC_KEY } from '../support/credentials.js';

export function startTestApp(
  environment: Readonly<Record<string, string>> = {},
  logger: Logger = silentLogger,
): Promise<RunningNode> {
  const config = readConfig({
    PORT: '0',
    NODE_ID: 'test-node',
    FEEDS: 'off',
    DRAIN_MS: '0',
    PUBLISH_KEY: SPEC_KEY,
    REVOCATIONS_FILE: 'none',
    // Clients of specs say in X-Forwarded-For where they appear to be.
    TRUST_PROXY: 'loopback',
    ...environment,
  });
  return startNode(config, logger);
}
