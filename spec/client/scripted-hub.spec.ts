import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type ConnectOptions, connect, type Gap, type HubClient } from '@axiom-streaming/client';
import type { ServerFrame } from '@axiom-streaming/protocol/frames';
import type { TopicVerdict } from '@axiom-streaming/protocol/message';
import { expect } from 'chai';
import { type WebSocket, WebSocketServer } from 'ws';
import { until } from '../support/wait.js';

const TOPIC = 'market:AAPL';

/** What no real hub sends on demand: repeats, what is malformed, unusual but valid event streams. */
describe('The client library, of what a hub says', () => {
  let server: Server;
  let url: string;
  let client: HubClient | undefined;
  /** The connections of its WebSocket, and what a subscription is answered with. */
  let sockets: WebSocket[];
  let verdicts: TopicVerdict[];
  let answered: number;
  /** The body of an event stream, in the pieces in which it is sent. */
  let pieces: readonly string[];

  beforeEach(async () => {
    sockets = [];
    answered = 0;
    verdicts = [{ topic: TOPIC }];
    pieces = [];
    server = createServer((request, response) => {
      if (request.url === '/api/streams') return response.end('{"streams":[]}');
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      const send = (left: readonly string[]) => {
        const [piece, ...rest] = left;
        if (piece !== undefined) response.write(piece, () => setImmediate(() => send(rest)));
      };
      return send(pieces);
    });
    new WebSocketServer({ server }).on('connection', (socket) => {
      sockets.push(socket);
      socket.on('message', (text) => {
        const { op, id } = JSON.parse(String(text)) as { op: string; id: number };
        if (op !== 'subscribe') return;
        tell({ op: 'ack', id, ok: true, topics: verdicts, cursor: 'market.e1.0' });
        answered += 1;
      });
      tell({ op: 'welcome', node: 'n', connection: 'c', streams: [], cursor: '-' });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterEach(() => {
    client?.close();
    server.close();
    server.closeAllConnections();
  });

  function tell(frame: ServerFrame): void {
    sockets.at(-1)?.send(JSON.stringify(frame));
  }
  const message = (seq: number, epoch = 'e1'): ServerFrame => ({
    op: 'message',
    message: { topic: TOPIC, seq, time: 1, data: `${epoch}/${seq}` },
    cursor: `market.${epoch}.${seq}`,
  });
  async function read(transport: ConnectOptions['transport'] = 'websocket') {
    const seen = { data: [] as unknown[], gaps: [] as Gap[] };
    client = connect({ url, maxBackoffMs: 20, ...(transport && { transport }) });
    client.on('gap', (gap) => seen.gaps.push(gap));
    await client.subscribe(TOPIC, ({ data }) => seen.data.push(data)).ready;
    return seen;
  }

  it('tells no message twice, whatever comes again on one connection or the next', async () => {
    const seen = await read();
    for (const seq of [1, 2, 3, 2, 3, 4, 4]) tell(message(seq));
    await until('the fourth has come', () => seen.data.length === 4);
    verdicts = [{ topic: TOPIC, recovered: true }];
    sockets[0]!.terminate();
    await until('it has subscribed again', () => answered === 2);
    for (const seq of [2, 3, 4, 5]) tell(message(seq));
    await until('the fifth has come', () => seen.data.includes('e1/5'));
    expect(seen.data).to.deep.equal(['e1/1', 'e1/2', 'e1/3', 'e1/4', 'e1/5']);
  });

  it('begins to count again when the stream has begun a new life', async () => {
    const seen = await read();
    tell(message(7));
    const gap = { stream: 'market', topics: [TOPIC], recovered: false, epoch: 'e2' } as const;
    tell({ op: 'gap', ...gap, reason: 'epoch_changed' });
    tell(message(1, 'e2'));
    await until('the new first has come', () => seen.data.length === 2);
    expect(seen.data).to.deep.equal(['e1/7', 'e2/1']);
  });

  it('tells a value that it has told before no second time after a loss in the same life', async () => {
    const seen = await read();
    tell(message(7));
    await until('it has come', () => seen.data.length === 1);
    verdicts = [{ topic: TOPIC, recovered: false, reason: 'trimmed' }];
    sockets[0]!.terminate();
    await until('the loss is told', () => seen.gaps.length === 1);
    // Its snapshot.
    tell(message(7));
    tell(message(9));
    await until('the next has come', () => seen.data.includes('e1/9'));
    expect(seen.data).to.deep.equal(['e1/7', 'e1/9']);
  });

  it('passes over frames that it does not know, and those that are malformed', async () => {
    const seen = await read();
    for (const frame of [
      null,
      1,
      [],
      {},
      { op: 7 },
      { op: 'message' },
      { op: 'message', message: null, cursor: 'c' },
      { op: 'message', message: { seq: 1 }, cursor: 'c' },
      { op: 'message', message: { topic: TOPIC, seq: 1 } },
      { op: 'position' },
      { op: 'gap' },
      { op: 'gap', stream: 'market' },
      { op: 'ack', id: 99, ok: true },
      { op: 'ack' },
      { op: 'constructor', cursor: 'c' },
      { op: 'of-a-later-version', cursor: 'c' },
    ])
      sockets[0]!.send(JSON.stringify(frame));
    for (const text of ['', 'hello', '{"op":"message"', '[1']) sockets[0]!.send(text);
    tell(message(1));
    await until('what it knows has come', () => seen.data.length === 1);
    expect(seen).to.deep.equal({ data: ['e1/1'], gaps: [] });
    expect(sockets, 'one connection').to.have.length(1);
  });

  it('rejects a request whose answer has another form', async () => {
    const seen = await read();
    sockets[0]!.removeAllListeners('message').on('message', (text) => {
      const { id } = JSON.parse(String(text)) as { id: number };
      sockets[0]!.send(JSON.stringify({ op: 'ack', id, ok: 'perhaps' }));
    });
    const error = await client?.publish(TOPIC, 1).catch((thrown: unknown) => thrown);
    expect(error).to.include({ name: 'HubError', code: 'internal' });
    expect(seen.data).to.deep.equal([]);
  });

  it('says of a publication whose connection is lost before the answer that the hub cannot be reached', async () => {
    await read();
    sockets[0]!.removeAllListeners('message').on('message', () => sockets[0]!.terminate());
    const error = await client?.publish(TOPIC, 1).catch((thrown: unknown) => thrown);
    expect(error).to.include({ name: 'HubError', code: 'unreachable' });
  });

  it('reads event streams as the standard has them: CRLF, no space after a colon, several lines, any pieces', async () => {
    const opening = {
      node: 'n',
      connection: 'c',
      streams: [],
      topics: [{ topic: TOPIC }],
      cursor: 'market.e1.0',
    };
    const body = [
      '\uFEFFretry: 1000\r\n:\r\n\r\n',
      `event:position\r\nid:market.e1.0\r\ndata:${JSON.stringify(opening)}\r\n\r\n`,
      `id: market.e1.1\ndata:{"topic":"${TOPIC}","seq":1,"time":1,\ndata: "data":"two lines"}\n\n`,
      'event: of-a-later-version\ndata\n\n',
      ': a comment\n\nevent: position\n\n',
      `id:market.e1.2\r\ndata:{"topic":"${TOPIC}","seq":2,"time":1,"data":"a\u2028b"}\r\n\r\n`,
    ].join('');
    pieces = [...body];
    const seen = await read('sse');
    await until('both have come', () => seen.data.length === 2);
    expect(seen.data).to.deep.equal(['two lines', 'a\u2028b']);
  });
});
