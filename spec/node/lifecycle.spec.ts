import { expect } from 'chai';
import type { Logger } from '../../server/logger.js';
import { silentLogger } from '../../server/logger.js';
import { Lifecycle, type Part, PartError } from '../../server/node/lifecycle.js';
import { until } from '../support/wait.js';

/** Long enough that no spec ever waits for it. */
const NEVER_MS = 60_000;

describe('A lifecycle', () => {
  let told: string[];
  let reported: object[];
  let lifecycle: Lifecycle;

  beforeEach(() => {
    told = [];
    reported = [];
    const logger: Logger = { ...silentLogger, error: (fields) => reported.push(fields as object) };
    lifecycle = new Lifecycle(logger);
  });

  /** A part that tells what it is asked to do, except where `own` says otherwise. */
  function add(name: string, own: Part = {}): void {
    const tell = (what: string) => async () => {
      await Promise.resolve();
      told.push(`${what} ${name}`);
    };
    lifecycle.add(name, { start: tell('start'), drain: tell('drain'), stop: tell('stop'), ...own });
  }

  const broken = async (): Promise<never> => {
    await Promise.resolve();
    throw new Error('broken');
  };

  async function failureOf(promise: Promise<unknown>): Promise<unknown> {
    return promise.then(
      () => undefined,
      (error: unknown) => error,
    );
  }

  it('starts its parts in their order, each when the one before has started', async () => {
    let release: () => void = () => undefined;
    add('log', { start: () => new Promise<void>((resolve) => (release = resolve)) });
    add('hub');
    const started = lifecycle.start({ deadlineMs: NEVER_MS });
    await new Promise(setImmediate);
    expect(told).to.deep.equal([]);
    release();
    await started;
    expect(told).to.deep.equal(['start hub']);
  });

  it('stops them in the opposite order', async () => {
    for (const name of ['log', 'hub', 'http']) add(name);
    await lifecycle.start({ deadlineMs: NEVER_MS });
    told = [];
    await lifecycle.stop(NEVER_MS);
    expect(told).to.deep.equal(['stop http', 'stop hub', 'stop log']);
  });

  it('drains them all at the same time, and stops nothing meanwhile', async () => {
    let release: () => void = () => undefined;
    add('hub', { drain: () => new Promise<void>((resolve) => (release = resolve)) });
    add('feeds');
    await lifecycle.start({ deadlineMs: NEVER_MS });
    told = [];
    const drained = lifecycle.drain(NEVER_MS);
    await new Promise(setImmediate);
    expect(told).to.deep.equal(['drain feeds']);
    release();
    await drained;
    expect(told).to.deep.equal(['drain feeds']);
  });

  it('tells which part could not start, with the code of the error', async () => {
    const cause = Object.assign(new Error('the port is taken'), { code: 'EADDRINUSE' });
    add('http', { start: () => Promise.reject(cause) });
    const error = await failureOf(lifecycle.start({ deadlineMs: NEVER_MS }));
    expect(error).to.be.instanceOf(PartError);
    expect(error).to.include({ message: 'http: the port is taken', part: 'http', code: 'EADDRINUSE', cause });
  });

  it('stops in the opposite order what had started when a part fails, and that part too', async () => {
    add('log');
    add('hub');
    add('http', { start: broken });
    add('feeds');
    await failureOf(lifecycle.start({ deadlineMs: NEVER_MS }));
    expect(told).to.deep.equal(['start log', 'start hub', 'stop http', 'stop hub', 'stop log']);
  });

  it('stops a part that has no start, wherever it is in the list, when another fails', async () => {
    add('log', { start: broken });
    lifecycle.add('transports', { stop: () => void told.push('stop transports') });
    await failureOf(lifecycle.start({ deadlineMs: NEVER_MS }));
    expect(told).to.deep.equal(['stop transports', 'stop log']);
  });

  it('tells the failed start, whatever fails while it is undone', async () => {
    add('log', { stop: broken });
    add('http', { start: () => Promise.reject(new Error('the port is taken')) });
    expect(await failureOf(lifecycle.start({ deadlineMs: NEVER_MS }))).to.have.property(
      'message',
      'http: the port is taken',
    );
    expect(reported).to.deep.equal([{ part: 'log', error: 'log: broken' }]);
  });

  it('stops every part though others fail, and tells all that failed', async () => {
    add('redis', {
      stop: () => {
        throw new Error('broken at once');
      },
    });
    add('log');
    add('hub', { stop: broken });
    add('http');
    await lifecycle.start({ deadlineMs: NEVER_MS });
    told = [];
    const error = (await failureOf(lifecycle.stop(NEVER_MS))) as AggregateError;
    expect(told).to.deep.equal(['stop http', 'stop log']);
    expect(error.errors.map(({ part }: PartError) => part)).to.deep.equal(['hub', 'redis']);
    expect(error.message).to.equal('hub: broken; redis: broken at once');
  });

  it('leaves behind what does not stop in time, and tells the rest to stop', async () => {
    add('log');
    add('hub', { stop: () => new Promise(() => undefined) });
    add('http');
    await lifecycle.start({ deadlineMs: NEVER_MS });
    told = [];
    const error = await failureOf(lifecycle.stop(20));
    expect(error).to.have.property('message', 'hub: it did not stop in time');
    expect(told).to.deep.equal(['stop http', 'stop log']);
  });

  it('drains every part though others fail, and stops them later', async () => {
    add('hub', { drain: broken });
    add('feeds');
    await lifecycle.start({ deadlineMs: NEVER_MS });
    told = [];
    await lifecycle.drain(NEVER_MS);
    await lifecycle.stop(NEVER_MS);
    expect(told).to.deep.equal(['drain feeds', 'stop feeds', 'stop hub']);
    expect(reported).to.deep.equal([{ part: 'hub', error: 'hub: broken' }]);
  });

  it('abandons a start that hangs, names its part, and stops all parts, that one too', async () => {
    add('log');
    add('hub', { start: () => new Promise(() => undefined) });
    add('http');
    const error = await failureOf(lifecycle.start({ deadlineMs: 20 }));
    expect(error).to.be.instanceOf(PartError).and.include({ part: 'hub' });
    expect(error).to.have.property('message', 'hub: it did not start in time');
    expect(told).to.deep.equal(['start log', 'stop hub', 'stop log']);
  });

  it('names a part in the log that takes long to start, and waits for it', async () => {
    const warned: object[] = [];
    const logger: Logger = { ...silentLogger, warn: (fields) => warned.push(fields as object) };
    lifecycle = new Lifecycle(logger, { slowStartMs: 1 });
    add('log');
    add('hub', { start: () => until('it is named', () => warned.length > 0) });
    await lifecycle.start({ deadlineMs: NEVER_MS });
    expect(warned).to.deep.equal([{ part: 'hub' }]);
  });

  it('abandons a start that is cancelled, and stops what was started', async () => {
    const calledOff = new AbortController();
    const reason = new Error('called off');
    add('log');
    add('hub', { start: () => new Promise(() => setImmediate(() => calledOff.abort(reason))) });
    add('http');
    const error = await failureOf(lifecycle.start({ deadlineMs: NEVER_MS, signal: calledOff.signal }));
    expect(error).to.equal(reason);
    expect(told).to.deep.equal(['start log', 'stop hub', 'stop log']);
    told = [];
    expect(await failureOf(lifecycle.start({ deadlineMs: NEVER_MS, signal: calledOff.signal }))).to.equal(
      reason,
    );
    expect(told).to.deep.equal([]);
  });

  it('continues stopping if a drain hangs, and names its part', async () => {
    add('log');
    add('hub', { drain: () => new Promise(() => undefined) });
    await lifecycle.start({ deadlineMs: NEVER_MS });
    told = [];
    await lifecycle.drain(20);
    expect(reported).to.deep.equal([{ part: 'hub', error: 'hub: it did not drain in time' }]);
    await lifecycle.stop(NEVER_MS);
    expect(told).to.deep.equal(['drain log', 'stop hub', 'stop log']);
  });

  it('drains and stops nothing that has never started, and nothing twice', async () => {
    add('log');
    await lifecycle.drain(NEVER_MS);
    await lifecycle.stop(NEVER_MS);
    expect(told).to.deep.equal([]);
    await lifecycle.start({ deadlineMs: NEVER_MS });
    await lifecycle.stop(NEVER_MS);
    await lifecycle.stop(NEVER_MS);
    expect(told).to.deep.equal(['start log', 'stop log']);
  });
});
