import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Protocol } from './connection.js';
import type { WorkerAnswer, WorkerOrder } from './worker.js';

const WORKER = fileURLToPath(new URL('worker.js', import.meta.url));
/** A process may have 20,000 descriptors, a source address 28,000 ports. */
const CONNECTIONS_PER_WORKER = 5_000;

/** The counts of all load connections. */
export interface Count {
  readonly connections: number;
  readonly messages: number;
  readonly bytes: number;
  /** Pings and comments received. */
  readonly heartbeats: number;
  readonly latencies: readonly number[];
  readonly errors: readonly string[];
}

/** Load connections in separate processes, from several loopback addresses. */
export class Load {
  readonly #workers: ChildProcess[];
  /** Time until all were connected and subscribed, not counting the start of the processes. */
  connectSeconds = 0;

  private constructor(workers: ChildProcess[]) {
    this.#workers = workers;
  }

  /**
   * Connects and subscribes them all.
   *
   * @param ports of the servers: each gets the same number of load processes
   * @param topics topics of each connection
   * @param sample how many connections of each process parse their messages
   */
  static async connect(options: {
    readonly protocol: Protocol;
    readonly ports: readonly number[];
    readonly topics: readonly (readonly string[])[];
    readonly sample?: number;
    readonly workers?: number;
  }): Promise<Load> {
    const { protocol, ports, topics, sample = 2 } = options;
    const wanted = options.workers ?? Math.max(2, Math.ceil(topics.length / CONNECTIONS_PER_WORKER));
    const count = Math.ceil(wanted / ports.length) * ports.length;
    const workers = Array.from({ length: count }, () => fork(WORKER));
    const load = new Load(workers);
    const size = Math.ceil(topics.length / count);
    await Promise.all(workers.map((worker) => ask(worker, { do: 'count' })));
    const started = performance.now();
    const answers = await Promise.all(
      workers.map((worker, i) =>
        ask(worker, {
          do: 'connect',
          protocol,
          port: ports[i % ports.length]!,
          localAddress: `127.0.${i + 1}.1`,
          topics: topics.slice(i * size, (i + 1) * size),
          sample,
        }),
      ),
    );
    const errors = answers.flatMap((answer) => answer.errors);
    if (errors.length > 0) {
      load.close();
      throw new Error(`load could not be connected: ${errors[0]}`);
    }
    load.connectSeconds = (performance.now() - started) / 1000;
    return load;
  }

  async count(): Promise<Count> {
    const answers = await Promise.all(this.#workers.map((worker) => ask(worker, { do: 'count' })));
    const total = (of: (answer: WorkerAnswer) => number) =>
      answers.reduce((sum, answer) => sum + of(answer), 0);
    return {
      connections: total(({ connections }) => connections),
      messages: total(({ messages }) => messages),
      bytes: total(({ bytes }) => bytes),
      heartbeats: total(({ heartbeats }) => heartbeats),
      latencies: answers.flatMap(({ latencies }) => latencies),
      errors: answers.flatMap(({ errors }) => errors),
    };
  }

  async forgetLatencies(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => ask(worker, { do: 'forget latencies' })));
  }

  close(): void {
    for (const worker of this.#workers) worker.kill('SIGKILL');
  }
}

async function ask(worker: ChildProcess, order: WorkerOrder): Promise<WorkerAnswer> {
  worker.send(order);
  const [answer] = (await once(worker, 'message')) as [WorkerAnswer];
  return answer;
}
