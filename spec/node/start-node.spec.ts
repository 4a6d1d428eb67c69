import { expect } from 'chai';
import { readConfig } from '../../server/config/config.js';
import { DEFAULT_STREAMS } from '../../server/hub/streams.js';
import { freePorts, isFree } from '../../server/local-cluster/ports.js';
import { MemoryStreamLog } from '../../server/log/memory-stream-log.js';
import type { PayloadInbox } from '../../server/log/payload-inbox.js';
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

describe('A node whose start is called off', () => {
  it('stops what was started, and never serves', async () => {
    const calledOff = new AbortController();
    const log = new MemoryStreamLog({ streams: new Map() });
    let isClosed = false;
    log.close = async () => {
      isClosed = true;
    };
    const inbox: PayloadInbox = {
      receive: () => undefined,
      // Announcements never come: Redis has gone away just now.
      live: () => new Promise(() => setImmediate(() => calledOff.abort(new Error('stopped by SIGTERM')))),
    };
    const port = await freePorts(1);
    const config = readConfig({ PORT: String(port), FEEDS: 'off', PUBLISH_KEY: SPEC_KEY });
    const error = await startNode(config, silentLogger, { log, inbox }, calledOff.signal).then(
      () => undefined,
      (failed: unknown) => failed,
    );
    expect(error).to.equal(calledOff.signal.reason);
    expect(isClosed, 'whether the log is closed').to.equal(true);
    expect(await isFree(port), 'whether the port is free').to.equal(true);
  });
});
