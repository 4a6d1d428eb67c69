/** What a client of a socket asks for and does not read is bounded, whatever it asks for. */
import { expect } from 'chai';
import { WebSocket } from 'ws';
import type { RunningNode } from '../../server/node/start-node.js';
import { startTestApp } from '../http/test-app.js';
import { publishAll } from '../support/http.js';
import { until } from '../support/wait.js';

const MIB = 1024 * 1024;
const BUDGET = MIB;
/** Beside the budget: see `unread-bound.ts`. And what came in one piece before it was noticed. */
const BOUND = BUDGET + 4 * MIB + MIB;
const HISTORY = { topic: 'news:large', limit: 100 };
/** An id, which the acknowledgement repeats. */
const LARGE_ID = 'x'.repeat(64 * 1024);
const ENGINE = 'EIO=4&transport=';

describe('A client of a socket that asks and does not read', () => {
  let app: RunningNode;
  const sockets: WebSocket[] = [];

  before(async () => {
    app = await startTestApp({
      CONNECTION_BUDGET_BYTES: String(BUDGET),
      MAX_REQUESTS_PER_SECOND_PER_CONNECTION: '100000',
    });
    const data = 'x'.repeat(60 * 1024);
    await publishAll(
      app.url,
      Array.from({ length: 100 }, () => ({ topic: HISTORY.topic, data })),
    );
  });

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.terminate();
  });

  after(() => app?.stop());

  const connect = async (path: string) => {
    const socket = new WebSocket(`${app.url.replace('http', 'ws')}${path}`);
    socket.on('error', () => undefined);
    sockets.push(socket);
    await new Promise((resolve) => socket.once('open', resolve));
    return socket;
  };
  const isClosed = (socket: WebSocket) => socket.readyState === WebSocket.CLOSED;
  /** The largest figure that was seen until the returned function is called. */
  const most = (figure: () => number) => {
    let largest = 0;
    const timer = setInterval(() => {
      largest = Math.max(largest, figure());
    }, 1);
    return () => {
      clearInterval(timer);
      return largest;
    };
  };
  const buffered = () =>
    [...app.hub.subscribers.values()].reduce((sum, each) => sum + each.bufferedBytes(), 0);

  /** Of Socket.IO, as the node counts them. */
  const connections = async () => {
    const metrics = await (await fetch(`${app.url}/metrics`)).text();
    return Number(/^axiom_connections\{transport="socketio"\} (\d+)$/m.exec(metrics)?.[1]);
  };

  it('gets history as fast as it reads it, all of it', async () => {
    const socket = await connect('/ws');
    const answers: { ok: boolean; id: number; messages: { seq: number }[] }[] = [];
    socket.on('message', (data) => {
      const frame = JSON.parse(String(data)) as { op: string } & (typeof answers)[number];
      if (frame.op === 'ack') answers.push(frame);
    });
    await until('it is attached', () => app.hub.subscribers.size === 1);
    const largest = most(buffered);
    socket.pause();
    for (let id = 0; id < 100; id++) socket.send(JSON.stringify({ op: 'history', id, ...HISTORY }));
    await until('answers wait', () => buffered() > 0);
    socket.resume();
    await until('all are answered', () => answers.length === 100, { withinMs: 60_000 });
    expect(largest()).to.be.below(1.5 * MIB);
    expect(answers.map(({ id }) => id)).to.deep.equal(Array.from({ length: 100 }, (_, i) => i));
    for (const { ok, messages } of answers) {
      expect(ok).to.equal(true);
      expect(messages.at(-1)!.seq).to.equal(100);
    }
  });

  it('is ended when acknowledgements pile up', async () => {
    const socket = await connect('/ws');
    await until('it is attached', () => app.hub.subscribers.size === 1);
    const [subscriber] = app.hub.subscribers.values();
    const largest = most(buffered);
    socket.pause();
    // The kernel takes the first few MiB.
    for (let i = 0; i < 400; i++) socket.send(JSON.stringify({ op: 'nothing', id: LARGE_ID }));
    await until('it is ended', () => app.hub.subscribers.size === 0, { withinMs: 30_000 });
    expect(subscriber!.endedBy?.name).to.equal('slow');
    expect(largest()).to.be.below(BOUND);
    socket.resume();
    await until('the client sees it', () => isClosed(socket));
  });

  it('is ended over Socket.IO, even if it never was let in', async () => {
    const socket = await connect(`/socket.io/?${ENGINE}websocket`);
    await until('it is counted', async () => (await connections()) === 1);
    socket.pause();
    let sent = 0;
    await until(
      'it is ended',
      async () => {
        for (let i = 0; i < 50 && sent < 2_000 && socket.readyState === WebSocket.OPEN; i++, sent++)
          socket.send(`40/${LARGE_ID}${sent},`);
        return (await connections()) === 0;
      },
      { withinMs: 30_000 },
    );
  });

  it('is ended over long polling when it posts and never polls', async () => {
    const url = `${app.url}/socket.io/?${ENGINE}polling`;
    const opened = await (await fetch(url)).text();
    const { sid } = JSON.parse(opened.slice(1)) as { sid: string };
    const post = async (body: string) => {
      const response = await fetch(`${url}&sid=${sid}`, { method: 'POST', body });
      await response.text();
      return response.status;
    };
    expect(await post('40')).to.equal(200);
    await until('it is attached', () => app.hub.subscribers.size === 1);
    const largest = most(buffered);
    let posts = 0;
    await until(
      'it is ended',
      async () => {
        posts += 1;
        return (await post(`40/${LARGE_ID}${posts},`)) !== 200;
      },
      { withinMs: 30_000 },
    );
    expect(posts).to.be.below(200);
    expect(largest()).to.be.below(BOUND);
    await until('it is gone', () => app.hub.subscribers.size === 0);
  });
});
