/** How the client library reads event streams, whoever has written them. */
import { expect } from 'chai';

type Event = readonly [name: string, data: string, id: string];

/** A file of the library that it does not export, seen from the compiled file. */
const FILE = new URL('../../../packages/client/dist/sse-events.js', import.meta.url).href;
const { readEvents } = (await import(FILE)) as {
  readEvents(response: Response, silenceMs: number, take: (...event: Event) => void): Promise<void>;
};

/** What is read of these chunks. */
async function read(chunks: readonly Uint8Array[]): Promise<Event[]> {
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
  const events: Event[] = [];
  await readEvents(new Response(body), 60_000, (...event) => events.push(event));
  return events;
}

const encode = (text: string) => new TextEncoder().encode(text);

const STREAMS: readonly (readonly [what: string, text: string, events: readonly Event[]])[] = [
  [
    'lines that end with LF',
    'id: c1\ndata: 1\n\ndata: 2\n\n',
    [
      ['message', '1', 'c1'],
      ['message', '2', 'c1'],
    ],
  ],
  ['lines that end with CRLF', 'id: c1\r\nevent: gap\r\ndata: 1\r\n\r\n', [['gap', '1', 'c1']]],
  [
    'lines that end with CR',
    'id: c1\revent: gap\rdata: 1\r\rdata: 2\r\r',
    [
      ['gap', '1', 'c1'],
      ['message', '2', 'c1'],
    ],
  ],
  ['fields without a space', 'id:c1\nevent:gap\ndata:5\n\n', [['gap', '5', 'c1']]],
  ['two spaces, of which one belongs to the data', 'data:  5\n\n', [['message', ' 5', '']]],
  [
    'data of several lines, empty ones among them',
    'data: {\ndata\ndata:\ndata: }\n\n',
    [['message', '{\n\n\n}', '']],
  ],
  ['a byte order mark', '\u{feff}data: 1\n\n', [['message', '1', '']]],
  [
    'comments, fields that nobody knows, and blocks without data',
    ': hello\nretry: 5\n\n:\n\nfoo: 1\ndata: 1\n\n',
    [['message', '1', '']],
  ],
  ['a name that is for one event only', 'event: gap\n\ndata: 1\n\n', [['message', '1', '']]],
  ['colons and letters of several bytes in the data', 'data: a: b €🚀\n\n', [['message', 'a: b €🚀', '']]],
  ['a last block that does not end', 'data: 1\n\ndata: 2\n', [['message', '1', '']]],
];

describe('The client library reads of an event stream', () => {
  for (const [what, text, events] of STREAMS) {
    it(`${what}, however the bytes are split`, async () => {
      const bytes = encode(text);
      expect(await read([bytes])).to.deep.equal(events);
      expect(await read([...bytes].map((byte) => Uint8Array.of(byte)))).to.deep.equal(events);
      for (let at = 1; at < bytes.length; at++)
        expect(await read([bytes.subarray(0, at), bytes.subarray(at)]), `split at ${at}`).to.deep.equal(
          events,
        );
    });
  }

  it('an event as soon as its block has ended, though more may come', async () => {
    for (const end of ['\n\n', '\r\n\r\n', '\r\r']) {
      const seen = new Promise<string>((resolve) => {
        const body = new ReadableStream<Uint8Array>({
          start: (controller) => controller.enqueue(encode(`data: 1${end}`)),
        });
        void readEvents(new Response(body), 1_000, (_name, data) => resolve(data)).catch(() => undefined);
      });
      expect(await seen).to.equal('1');
    }
  });
});
