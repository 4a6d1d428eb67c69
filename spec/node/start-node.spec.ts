import { expect } from 'chai';
import { readConfig } from '../../server/config/config.js';
import { DEFAULT_STREAMS } from '../../server/hub/streams.js';
import { MemoryStreamLog } from '../../server/log/memory-stream-log.js';
import { type Logger, silentLogger } from '../../server/logger.js';
import { type RunningNode, startNode } from '../../server/node/start-node.js';
import { SPEC_KEY } from '../support/credentials.js';
import { publish } from '../support/http.js';

const CONFIG = readConfig({ PORT: '0', NODE_ID: 'n', FEEDS: 'off', DRAIN_MS: '0', PUBLISH_KEY: SPEC_KEY });

/** A log in memory that cannot be closed. */
class StuckLog extends MemoryStreamLog {
  override async close(): Promise<void> {
    throw new Error('it is stuck');
  }
}

describe('A node with a log of somebody else', () => {
  let node: RunningNode;
  let log: StuckLog;
  let errors: object[];

  before(async () => {
    errors = [];
    log = new StuckLog({ streams: new Map(DEFAULT_STREAMS.map((stream) => [stream.name, stream])) });
    const logger: Logger = { ...silentLogger, error: (fields) => errors.push(fields as object) };
    node = await startNode(CONFIG, logger, { log });
  });

  it('publishes to it', async () => {
    const { status } = await publish(node.url, 'news:a', 'hello');
    expect(status).to.equal(201);
    const [entry] = await log.range('news', 1, 1, 1);
    expect(entry).to.include({ key: 'a', data: '"hello"' });
  });

  it('stops everything else where that cannot be closed, and names it', async () => {
    const error = await node.stop().then(
      () => undefined,
      (failed: unknown) => failed,
    );
    expect(error).to.be.instanceOf(AggregateError).with.property('message', 'log: it is stuck');
    expect(errors).to.deep.equal([{ part: 'log', error: 'log: it is stuck' }]);
    const answer = await fetch(`${node.url}/health`).catch(() => 'refused');
    expect(answer).to.equal('refused');
  });
});
