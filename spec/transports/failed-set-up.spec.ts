/** What a node does with a connection that it cannot serve: it ends it, says why, and the client comes back. */
import { expect } from 'chai';
import { HubError } from '../../server/errors.js';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { publish } from '../support/http.js';
import { subscribeSocketIo } from '../support/socketio-client.js';
import { until } from '../support/wait.js';
import { WebSocketTestClient } from '../support/websocket-client.js';

describe('A connection that the node cannot serve', () => {
  let app: RunningNode;

  beforeEach(async () => {
    app = await startTestApp({ LOG_LEVEL: 'silent' });
  });

  afterEach(() => app?.stop());

  /** Lets the hub fail once at what it reads of the past. */
  function failOnce(what: 'past' | 'backfill'): void {
    const { recovery } = app.hub;
    const original = recovery[what];
    const failing = () => {
      recovery[what] = original as never;
      return Promise.reject(new HubError('log_unavailable', 'Redis did not answer'));
    };
    recovery[what] = failing;
  }

  const ended = (cause: string) => app.hub.counters.disconnects.get(cause);

  it('over SSE is closed and counted under its own cause, not as a restart', async () => {
    failOnce('past');
    const response = await fetch(`${app.url}/stream?topics=news:*`);
    expect(response.status).to.equal(200);
    expect(await response.text(), 'what came before the end').not.to.contain('event: position');
    await until('it is counted', () => ended('setup_failed') === 1);
    expect(ended('drain')).to.equal(0);
  });

  it('over Socket.IO is ended and counted as well, and its client takes its session up with the next try', async () => {
    const client = await subscribeSocketIo({ url: app.url }, { topics: ['news:*'] });
    await publish(app.url, 'news:a', 1);
    await until('it reads', () => client.seen.messages.length === 1);
    failOnce('past');
    client.socket.io.engine.close();
    await until('the set-up has failed', () => ended('setup_failed') === 1);
    await publish(app.url, 'news:a', 2);
    await until('it reads again', () => client.seen.messages.length === 2);
    expect(ended('drain')).to.equal(0);
    client.close();
  });

  it('over WebSocket is closed with the cause where a subscription cannot be kept', async () => {
    const client = await WebSocketTestClient.subscribe({ url: app.url }, { topics: ['market:*'] });
    failOnce('backfill');
    await client.request('subscribe', { topics: ['news:*'] });
    await until('it is closed', () => client.closeCodes.length > 0);
    expect(client.closeCodes).to.deep.equal([4503]);
    await until('it is counted', () => ended('backfill_failed') === 1);
    expect(ended('drain')).to.equal(0);
    client.close();
  });
});
