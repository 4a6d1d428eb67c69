/** What changes of a connection's subscriptions cost. */
import { expect } from 'chai';
import { FULL_ACCESS, type Work } from '../../../server/hub/access.js';
import type { Subscriber } from '../../../server/hub/delivery/subscriber.js';
import { subscribe } from '../../../server/hub/operations/subscribe.js';
import { unsubscribe } from '../../../server/hub/operations/unsubscribe.js';
import { planned, RecordingSink, TestHub } from '../support.js';

const TOPICS = 1_000;
const topics = Array.from({ length: TOPICS }, (_, i) => `news:k${i}`);

describe('A change of subscriptions', () => {
  let test: TestHub;
  let subscriber: Subscriber;
  let charged: Map<Work, number>;

  beforeEach(async () => {
    test = await TestHub.start({ limits: { topicsPerConnection: TOPICS } });
    charged = new Map();
    subscriber = test.hub.attach('a', new RecordingSink(), {
      ...FULL_ACCESS,
      charge: (work, amount) => charged.set(work, (charged.get(work) ?? 0) + amount),
    });
    await subscribe(test.hub, subscriber, { topics }, planned());
  });

  afterEach(() => test.stop());

  it('costs as many topics as it names, and those that the connection has then', async () => {
    expect([...charged]).to.deep.include.members([
      ['topics', TOPICS],
      ['topics_kept', TOPICS],
    ]);
    await unsubscribe(test.hub, subscriber, { topics: topics.slice(0, TOPICS - 1) });
    expect(charged.get('topics')).to.equal(2 * TOPICS - 1);
    expect(charged.get('topics_kept')).to.equal(TOPICS + 1);
  });

  it('changes each stream once, however many topics it ends', async () => {
    let changes = 0;
    const setKeys = test.hub.setKeys.bind(test.hub);
    test.hub.setKeys = (...args) => {
      changes += 1;
      setKeys(...args);
    };
    expect(await unsubscribe(test.hub, subscriber, { topics })).to.deep.equal([]);
    expect(changes).to.equal(1);
  });
});
