/** A process of load connections: it connects on demand, counts messages, and reports its counts. */
import { LoadConnection, type Protocol } from './connection.js';

/** The order to a worker. */
export type WorkerOrder =
  | {
      readonly do: 'connect';
      readonly protocol: Protocol;
      readonly port: number;
      readonly localAddress: string;
      /** Topics of each connection. */
      readonly topics: readonly (readonly string[])[];
      /** How many connections, evenly spread, parse their messages to check order and latency. */
      readonly sample: number;
    }
  | { readonly do: 'count' }
  | { readonly do: 'forget latencies' };

/** Its answer. */
export interface WorkerAnswer {
  readonly connections: number;
  readonly messages: number;
  readonly bytes: number;
  /** Pings and comments received. */
  readonly heartbeats: number;
  /** Publish to receive in ms, of the sample. */
  readonly latencies: readonly number[];
  /** Mistakes that the sample found. */
  readonly errors: readonly string[];
}

/** Connections that are being opened at the same time. */
const AT_ONCE = 100;
const MAX_LATENCIES = 200_000;

const connections: LoadConnection[] = [];
const errors: string[] = [];
let latencies: number[] = [];

process.on('message', (order: WorkerOrder) => {
  void obey(order)
    .catch((error: unknown) => errors.push(String(error)))
    .then(answer);
});

async function obey(order: WorkerOrder): Promise<void> {
  if (order.do === 'forget latencies') latencies = [];
  if (order.do !== 'connect') return;
  const { protocol, port, localAddress, topics, sample } = order;
  for (let i = 0; i < topics.length; i += AT_ONCE) {
    const group = topics.slice(i, i + AT_ONCE).map((own, j) => {
      const reads = isSampled(i + j, topics.length, sample);
      const connection = new LoadConnection({
        protocol,
        port,
        localAddress,
        topics: own,
        onMessage: reads ? reader() : undefined,
      });
      connections.push(connection);
      return connection.ready;
    });
    await Promise.all(group);
  }
}

/** Spread evenly, because a server writes to its connections in some order and the first ones are not typical. */
function isSampled(index: number, count: number, sample: number): boolean {
  return Math.floor(((index + 1) * sample) / count) > Math.floor((index * sample) / count);
}

/** Checks one connection: the messages of each publisher must arrive in the order of their numbers, without a gap. */
function reader(): (text: string) => void {
  const next = new Map<string, number>();
  return (text) => {
    const match = /"k":"([^"]+)","n":(\d+),"at":(\d+)/.exec(text);
    if (match === null) {
      errors.push(`unreadable: ${text.slice(0, 120)}`);
      return;
    }
    const [, key, n, at] = match as unknown as [string, string, string, string];
    const expected = next.get(key);
    if (expected !== undefined && Number(n) !== expected && errors.length < 20)
      errors.push(`${key}: ${n} came where ${expected} was due`);
    next.set(key, Number(n) + 1);
    if (latencies.length < MAX_LATENCIES) latencies.push(Number(process.hrtime.bigint() - BigInt(at)) / 1e6);
  };
}

function answer(): void {
  let messages = 0;
  let bytes = 0;
  let heartbeats = 0;
  let open = 0;
  for (const connection of connections) {
    messages += connection.messages;
    bytes += connection.bytes;
    heartbeats += connection.heartbeats;
    if (!connection.closed) open += 1;
  }
  process.send?.({
    connections: open,
    messages,
    bytes,
    heartbeats,
    latencies,
    errors,
  } satisfies WorkerAnswer);
}
