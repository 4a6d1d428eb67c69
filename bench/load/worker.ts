/** A process of load connections: it connects when told to, counts, and answers what it has counted. */
import { LoadConnection, type Protocol } from './connection.js';

/** What a worker is told. */
export type WorkerOrder =
  | {
      readonly do: 'connect';
      readonly protocol: Protocol;
      readonly port: number;
      readonly localAddress: string;
      /** Topics by connection. */
      readonly topics: readonly (readonly string[])[];
      /** So many connections, spread over all, read what they get: order and latency. */
      readonly sample: number;
    }
  | { readonly do: 'count' }
  | { readonly do: 'forget latencies' };

/** What a worker answers. */
export interface WorkerAnswer {
  readonly connections: number;
  readonly messages: number;
  readonly bytes: number;
  /** Pings and comments that came. */
  readonly heartbeats: number;
  /** Publish to receive in ms, of the sample. */
  readonly latencies: readonly number[];
  /** What the sample found wrong. */
  readonly errors: readonly string[];
}

/** Connections that are being made at a time. */
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

/** Spread evenly: a server writes to its connections in some order, and the first to be served are not the rule. */
function isSampled(index: number, count: number, sample: number): boolean {
  return Math.floor(((index + 1) * sample) / count) > Math.floor((index * sample) / count);
}

/** Checks one connection: what each publisher numbered must come in that order, without a hole. */
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
