/**
 * The clients from outside, by language, and how each is brought to run. The table of docs/CLIENTS.md follows this
 * order.
 */
import {
  type Command,
  curlClient,
  goClient,
  javaClient,
  nodeClient,
  pythonClient,
  rustClient,
} from './toolchains.js';

export type Language = 'JavaScript' | 'Python' | 'Java' | 'Go' | 'Rust' | 'curl';
export type Transport = 'Socket.IO' | 'WebSocket' | 'SSE';

export interface WildEntry {
  /** Name and version of the library. */
  readonly name: string;
  readonly language: Language;
  readonly transport: Transport;
  /** @throws Missing where its toolchain or its registry is not within reach */
  readonly prepare: () => Promise<Command>;
  /** What a user of this library should know; it is written below the table. */
  readonly note?: string;
  /** The library itself does not keep the order of events; the note says how a program restores it. */
  readonly disorders?: boolean;
}

const socketIoJs = (version: string, note?: string): WildEntry => ({
  name: `socket.io-client ${version}`,
  language: 'JavaScript',
  transport: 'Socket.IO',
  prepare: () => nodeClient('socketio.mjs', `socket.io-client@${version}`),
  ...(note === undefined ? {} : { note }),
});

export const CATALOGUE: readonly WildEntry[] = [
  socketIoJs('3.1.3'),
  socketIoJs('4.0.2'),
  socketIoJs('4.4.1'),
  socketIoJs('4.6.2'),
  socketIoJs('4.8.4'),
  {
    name: 'WebSocket of Node.js 22',
    language: 'JavaScript',
    transport: 'WebSocket',
    prepare: () => nodeClient('websocket.mjs', '', 22),
  },
  {
    name: 'eventsource 2.0.2',
    language: 'JavaScript',
    transport: 'SSE',
    prepare: () => nodeClient('eventsource.mjs', 'eventsource@2.0.2'),
  },
  {
    name: 'eventsource 4.1.1',
    language: 'JavaScript',
    transport: 'SSE',
    prepare: () => nodeClient('eventsource.mjs', 'eventsource@4.1.1'),
  },
  {
    name: 'fetch-event-source 2.0.1',
    language: 'JavaScript',
    transport: 'SSE',
    prepare: () => nodeClient('fetch-event-source.mjs', '@microsoft/fetch-event-source@2.0.1'),
    note: 'An end of the stream is a success to it: throw in `onclose`, or it does not come back.',
  },
  {
    name: 'python-socketio 5.18.0, threads',
    language: 'Python',
    transport: 'Socket.IO',
    prepare: () => pythonClient('sio_sync.py'),
    disorders: true,
    note: 'Each event is handled in a thread of its own, so a program that needs their order sorts by `seq`, and keeps the cursor of the highest one.',
  },
  {
    name: 'python-socketio 5.18.0, asyncio',
    language: 'Python',
    transport: 'Socket.IO',
    prepare: () => pythonClient('sio_async.py'),
  },
  {
    name: 'websockets 17.4',
    language: 'Python',
    transport: 'WebSocket',
    prepare: () => pythonClient('websockets_reader.py'),
  },
  {
    name: 'httpx-sse 0.4.3',
    language: 'Python',
    transport: 'SSE',
    prepare: () => pythonClient('httpx_sse_reader.py'),
    note: 'It reads one response: the loop that comes back, and the `Last-Event-ID`, are its user’s.',
  },
  {
    name: 'sseclient-py 1.9.0',
    language: 'Python',
    transport: 'SSE',
    prepare: () => pythonClient('sseclient_reader.py'),
    note: 'It reads one response: the loop that comes back, and the `Last-Event-ID`, are its user’s.',
  },
  {
    name: 'io.socket:socket.io-client 2.1.2',
    language: 'Java',
    transport: 'Socket.IO',
    prepare: () => javaClient('SocketIo.java'),
  },
  {
    name: 'java.net.http WebSocket',
    language: 'Java',
    transport: 'WebSocket',
    prepare: () => javaClient('HttpWebSocket.java'),
  },
  {
    name: 'java.net.http, by lines',
    language: 'Java',
    transport: 'SSE',
    prepare: () => javaClient('HttpLines.java'),
    note: 'It asks for HTTP/2 over plain TCP (`Upgrade: h2c`) unless it is told otherwise.',
  },
  {
    name: 'okhttp-eventsource 4.1.1',
    language: 'Java',
    transport: 'SSE',
    prepare: () => javaClient('OkhttpEventSource.java'),
    note: 'Its read timeout is 5 s, shorter than the 15 s between comments on a quiet stream: set it to 45 s, or it connects again every 5 s.',
  },
  {
    name: 'zishang520/socket.io 3.0.6',
    language: 'Go',
    transport: 'Socket.IO',
    prepare: () => goClient('socketio'),
  },
  {
    name: 'r3labs/sse 2.10.0',
    language: 'Go',
    transport: 'SSE',
    prepare: () => goClient('sse'),
    note: '`Subscribe` returns where a stream ends in good order, so it stands in a loop; the client keeps its last id.',
  },
  {
    name: 'rust_socketio 0.6.0',
    language: 'Rust',
    transport: 'Socket.IO',
    prepare: () => rustClient('socketio'),
  },
  {
    name: 'curl --http2, by lines',
    language: 'curl',
    transport: 'SSE',
    prepare: async () => curlClient('stream.sh'),
    note: 'It reads one response: the loop that comes back, and the `Last-Event-ID`, are its user’s.',
  },
];

export function entriesOf(language: Language): WildEntry[] {
  return CATALOGUE.filter((entry) => entry.language === language);
}
