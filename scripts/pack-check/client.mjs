/**
 * The libraries as they are installed: their types, both module systems, a bundle, and the examples of their READMEs.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { build } from 'vite';
import { must, run } from './commands.mjs';

const LIBRARY = '@axiom-streaming/client';
/** Each as `tsc` names it, with the files that are checked in it: a bundler reads no CommonJS sources. */
const RESOLUTIONS = [
  { moduleResolution: 'node16', module: 'node16', files: ['consumer.mts', 'consumer.cts'] },
  { moduleResolution: 'nodenext', module: 'nodenext', files: ['consumer.mts', 'consumer.cts'] },
  { moduleResolution: 'bundler', module: 'esnext', files: ['consumer.ts'] },
];
/** What a consumer of the client writes. */
const CLIENT_TYPES = `import { connect, HubError, type DemoStreams, type Gap, type HubMessage } from '${LIBRARY}';

const hub = connect<DemoStreams>({ url: 'http://localhost:8001', token: async () => 'token' });
const subscription = hub.subscribe('market:AAPL', { rewind: 1 }, ({ data }) => {
  const price: number = data.price;
  void price;
});
subscription.ready.then(({ cursor, topics }) => [cursor.length, topics.length], (error: HubError) => error.code);
hub.on('gap', (gap: Gap) => gap.topics.join());
hub.on('welcome', ({ streams }) => streams.map(({ name }) => name.length));
hub.history('news:a').then(({ messages }: { messages: readonly HubMessage<{ headline: string }>[] }) => messages.length);
// @ts-expect-error a price is no text
hub.subscribe('market:AAPL', ({ data }) => data.price.trim());
`;

/** What somebody writes who makes a client of their own: each operation determines its answer, each name its frame. */
const PROTOCOL_TYPES = `import type { Ack, Answers } from '@axiom-streaming/protocol/answers';
import { parseCursor } from '@axiom-streaming/protocol/cursor';
import type { ErrorCode } from '@axiom-streaming/protocol/errors';
import type { RequestFrame, ServerFrame, SocketEvents, StreamEvents } from '@axiom-streaming/protocol/frames';
import { isPlainMsgpack } from '@axiom-streaming/protocol/msgpack-guard';
import type { OperationName, Requests } from '@axiom-streaming/protocol/requests';

declare function request<Name extends OperationName>(name: Name, body: Requests[Name]): Promise<Ack<Name>>;
export const publication: RequestFrame = { op: 'publish', id: 1, messageId: 'a', topic: 'news:a', data: 1 };
request('publish', { topic: 'news:a', data: 1 }).then((ack): number | ErrorCode => (ack.ok ? ack.seq : ack.error.code));
request('subscribe', { topics: ['news:a'] }).then((ack) => {
  if (!ack.ok) return ack.error.field;
  return ack.topics.map((verdict): string => (verdict.recovered === false ? verdict.reason : verdict.topic)).join();
});
// @ts-expect-error an answer has no cursor before it is known that it is no refusal
request('subscribe', { topics: ['news:a'] }).then((ack) => ack.cursor);
export function told(frame: ServerFrame): string | number | undefined {
  switch (frame.op) {
    case 'ack': return frame.id;
    case 'message': return frame.message.seq;
    case 'welcome': case 'position': return parseCursor(frame.cursor)?.size;
    case 'gap': return frame.reason;
    case 'degraded': return frame.streams.join();
    case 'drain': return frame.reconnectInMs;
    case 'expiring': return frame.expiresInMs;
    default: { const none: never = frame; return none; }
  }
}
export const onGap: SocketEvents['gap'] = ({ epoch }) => epoch.length;
export const opening = (event: StreamEvents['position']) => event.cursor;
export const known: keyof Answers = 'history';
isPlainMsgpack(new Uint8Array(1));
`;

/** The protocol's package as it is installed: its types in each module resolution. It has ES modules alone. */
export async function checkProtocol(folder) {
  await checkTypes(folder, PROTOCOL_TYPES, ['mts', 'ts']);
  console.log('@axiom-streaming/protocol: alone, type-checked');
}

/** The client installed alone. */
export async function checkClient(folder) {
  const installed = readdirSync(join(folder, 'node_modules')).filter((name) => !name.startsWith('.'));
  must(installed.join() === '@axiom-streaming', `the client brings others: ${installed}`);
  const dist = join(folder, 'node_modules', LIBRARY, 'dist');
  for (const file of readdirSync(dist, { recursive: true })) {
    const foreign =
      /\.(c?js|d\.c?ts)$/.test(file) &&
      readFileSync(join(dist, file), 'utf8').includes('@axiom-streaming/protocol');
    must(!foreign, `the client's ${file} names the protocol's package`);
  }
  await checkTypes(folder, CLIENT_TYPES, ['mts', 'cts', 'ts']);
  const names =
    'const { connect, HubError } = require("@axiom-streaming/client"); if (!connect || !HubError) throw 1';
  await run(process.execPath, ['-e', names], { cwd: folder });
  await checkBundle(folder);
  console.log(`${LIBRARY}: alone, required, bundled and type-checked`);
}

async function checkTypes(folder, text, extensions) {
  const at = join(folder, 'types');
  mkdirSync(at);
  for (const extension of extensions) writeFileSync(join(at, `consumer.${extension}`), text);
  const manifest = createRequire(import.meta.url).resolve('typescript/package.json');
  for (const { files, ...options } of RESOLUTIONS) {
    const config = join(at, `tsconfig.${options.moduleResolution}.json`);
    const compilerOptions = {
      ...options,
      strict: true,
      skipLibCheck: false,
      types: [],
      noEmit: true,
      target: 'es2022',
      lib: ['es2022'],
    };
    const included = files.filter((file) => extensions.includes(file.split('.')[1]));
    writeFileSync(config, JSON.stringify({ compilerOptions, files: included }));
    const { bin } = JSON.parse(readFileSync(manifest, 'utf8'));
    const compiler = join(dirname(manifest), Object.values(bin)[0]);
    await run(process.execPath, [compiler, '-p', config], { cwd: at });
  }
}

/** Vite leaves out what is an optional peer and is not there. */
async function checkBundle(folder) {
  const entry = join(folder, 'page.js');
  writeFileSync(entry, `import { connect } from '${LIBRARY}';\nconnect({ url: location.origin });\n`);
  const { output } = await build({
    root: folder,
    configFile: false,
    logLevel: 'error',
    build: { write: false, rolldownOptions: { input: entry } },
  });
  must(
    output.some(({ code = '' }) => code.includes('WebSocket')),
    'Vite has bundled no client',
  );
}

/** The examples of both READMEs, as they are written, and a client of each transport in both module systems. */
export async function checkExamples(folder, { url, token }) {
  for (const name of ['protocol', 'client']) {
    const readme = readFileSync(join(folder, 'node_modules/@axiom-streaming', name, 'README.md'), 'utf8');
    const [, code] = /```js\n([\s\S]*?)```/.exec(readme) ?? [];
    must(code !== undefined, `the README of ${name} has no example`);
    writeFileSync(join(folder, `${name}-example.mjs`), code.replaceAll('http://localhost:8001', url));
    await run(process.execPath, [`${name}-example.mjs`], { cwd: folder, env: { AXIOM_TOKEN: token } });
  }
  await publish(url, token);
  const importing = [
    ['reader.mjs', `import { connect } from '${LIBRARY}';`],
    ['reader.cjs', `const { connect } = require('${LIBRARY}');`],
  ];
  for (const [file, line] of importing) {
    writeFileSync(join(folder, file), `${line}\n${READER}`);
    for (const transport of ['socketio', 'websocket', 'sse']) {
      const text = await run(process.execPath, [file, url, transport, token], { cwd: folder });
      must(text.trim() === `${transport} packed`, `${file} over ${transport} wrote: ${text}`);
    }
  }
  console.log('the hub: started, published to, read over three transports by import and by require');
}

const READER = `const [, , url, transport, token] = process.argv;
const hub = connect({ url, transport, token });
const late = setTimeout(() => process.exit(1), 30_000);
hub.subscribe('news:packed', { rewind: 1 }, ({ data }) => {
  console.log(hub.status.transport, data.text);
  clearTimeout(late);
  hub.close();
});
`;

async function publish(url, token) {
  const response = await fetch(`${url}/api/topics/news:packed/messages`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
    body: '{"text":"packed"}',
  });
  must(response.ok, `a publication is answered with ${response.status}`);
}
