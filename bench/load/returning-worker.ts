/**
 * A process of clients that disconnect and come back. It keeps what each client would keep, and checks everything that
 * the client gets after its return: each message once, in order, with the right content.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { formatCursor, parseCursor } from '@axiom-streaming/protocol/cursor';
import { LoadConnection, NotRecovered, type Protocol, type Resumable } from './connection.js';

/** The order to a worker. */
export type ReturningOrder =
  | {
      /** Connect, subscribe, and disconnect again. */
      readonly do: 'visit';
      readonly protocol: Protocol;
      readonly port: number;
      readonly localAddress: string;
      readonly topic: string;
      readonly clients: number;
    }
  | {
      /** Come back, all at once. */
      readonly do: 'return';
      /** The last seq that each client has seen. */
      readonly seen: readonly number[];
      /** Seq of the newest message. */
      readonly top: number;
    }
  | { readonly do: 'count' };

/** Its answer; to `return`, once every client has its last message. */
export interface ReturningAnswer {
  readonly messages: number;
  /** For each client, the time from the order to come back to its last message, ms. */
  readonly caughtUpMs: readonly number[];
  /** Returns that met a refusal or a closed connection, and were tried again. */
  readonly retries: number;
  /** Whether each client was told that it was not recovered. */
  readonly lost: readonly number[];
  readonly errors: readonly string[];
}

/** Connections that are being opened at the same time. */
const AT_ONCE = 100;
const MAX_ERRORS = 20;
/** The pause of a client whose return failed, and the number of attempts before it gives up. */
const RETRY_MS = 250;
const MAX_ATTEMPTS = 20;

let visit: Extract<ReturningOrder, { do: 'visit' }> | undefined;
const kept: Resumable[] = [];
const connections: LoadConnection[] = [];
const caughtUpMs: number[] = [];
const lost: number[] = [];
let retries = 0;
const errors: string[] = [];

process.on('message', (order: ReturningOrder) => {
  void obey(order)
    .catch((error: unknown) => wrong(String(error)))
    .then(() => {
      const messages = connections.reduce((sum, connection) => sum + connection.messages, 0);
      process.send?.({ messages, caughtUpMs, retries, lost, errors } satisfies ReturningAnswer);
    });
});

async function obey(order: ReturningOrder): Promise<void> {
  if (order.do === 'visit') {
    visit = order;
    const { protocol, port, localAddress, topic } = order;
    for (let i = 0; i < order.clients; i += AT_ONCE) {
      const group = Array.from(
        { length: Math.min(AT_ONCE, order.clients - i) },
        () => new LoadConnection({ protocol, port, localAddress, topics: [topic] }),
      );
      await Promise.all(group.map(({ ready }) => ready));
      for (const connection of group) {
        kept.push({ cursor: connection.cursor ?? '', pid: connection.pid });
        connection.destroy();
      }
    }
  }
  if (order.do === 'return') await comeBack(order.seen, order.top);
}

async function comeBack(seen: readonly number[], top: number): Promise<void> {
  const started = performance.now();
  await Promise.all(
    kept.map(async (client, i) => {
      const { caughtUp, onMessage } = reader(seen[i]!, top, `client ${i}`);
      const resume = { cursor: cursorAt(client.cursor, seen[i]!), pid: client.pid };
      if (!(await resumed(resume, onMessage))) {
        lost.push(i);
        return;
      }
      await caughtUp;
      caughtUpMs.push(performance.now() - started);
    }),
  );
}

/** Retries until the client is back. @returns false if the client was told that it was not recovered. */
async function resumed(resume: Resumable, onMessage: (text: string) => void): Promise<boolean> {
  const { protocol, port, localAddress, topic } = visit!;
  for (let attempt = 1; ; attempt++) {
    const connection = new LoadConnection({
      protocol,
      port,
      localAddress,
      topics: [topic],
      resume,
      onMessage,
    });
    try {
      await connection.ready;
      connections.push(connection);
      return true;
    } catch (error) {
      connection.destroy();
      if (error instanceof NotRecovered) return false;
      if (attempt === MAX_ATTEMPTS) throw error;
      retries += 1;
      await delay(RETRY_MS);
    }
  }
}

/** The cursor of a client that has seen messages up to `seq`. */
function cursorAt(cursor: string, seq: number): string {
  const positions = parseCursor(cursor);
  if (positions === undefined) throw new Error(`this is not a cursor: "${cursor}"`);
  return formatCursor(new Map([...positions].map(([stream, { epoch }]) => [stream, { epoch, seq }])));
}

/** The one publisher numbers its messages from 0, so that each seq has its own content. */
function reader(seen: number, top: number, name: string) {
  let next = seen + 1;
  let reached: () => void = () => undefined;
  const caughtUp = new Promise<void>((resolve) => {
    reached = resolve;
  });
  const onMessage = (text: string) => {
    const match = /"seq":(\d+),"time":\d+,"data":\{"k":"[^"]+","n":(\d+),/.exec(text);
    const [seq, n] = [Number(match?.[1]), Number(match?.[2])];
    if (seq !== next || n !== seq - 1) wrong(`${name}: ${text.slice(0, 160)} came where ${next} was due`);
    next = seq + 1;
    if (seq === top) reached();
  };
  return { caughtUp, onMessage };
}

function wrong(error: string): void {
  if (errors.length < MAX_ERRORS) errors.push(error);
}
