/**
 * A client program of another language or library. It is told by its environment what to read (`HUB_URL`, `HUB_TOPIC`),
 * and writes what happens to it on its standard output, one line each:
 *
 *     welcome NODE              a connection began, on this node
 *     subscribed VERDICT WHY    the subscription is in force; VERDICT is new, true or false
 *     message TOPIC SEQ CURSOR  a message, as the program of its user got it
 *     gap REASON                the hub announced a loss
 *     refused CODE              the hub refused the subscription
 *     lost WHY                  the connection is gone, or could not be made; the library tries again
 *     ended WHY                 the library will not try again
 *
 * Words of Python are read like those of JavaScript (`True`, `true`). Other lines are noise.
 */
import { ManagedProcess } from '../../server/local-cluster/managed-process.js';
import type { Command } from './toolchains.js';

/** A compiler may run before the program does, on a machine that has other work. */
const READY_WITHIN_MS = 45_000;
const KEPT_LINES = 30;
/** Attempts after which a client that never connected is given up. */
const HOPELESS = 10;

export class WildClient {
  readonly name: string;
  readonly #process: ManagedProcess;
  readonly seqs: number[] = [];
  /** Node by connection, with the time at which it began (`performance.now()`). */
  readonly welcomes: { readonly node: string; readonly at: number }[] = [];
  /** Lines that are neither messages nor welcomes, the newest. */
  readonly events: string[] = [];
  /** Losses that the hub announced. */
  announced = 0;
  subscriptions = 0;
  /** Connections that were lost or could not be made. */
  losses = 0;
  /** Why the library gave up for good, or how the program ended. */
  ended: string | undefined;
  #isStopping = false;

  constructor(name: string, { command, args }: Command, target: { url: string; topic: string }) {
    this.name = name;
    this.#process = new ManagedProcess({
      name,
      command,
      args,
      env: { HUB_URL: target.url, HUB_TOPIC: target.topic },
      ready: async () => {
        if (this.subscriptions > 0) return true;
        if (this.losses >= HOPELESS) throw new Error(`${HOPELESS} attempts failed: ${this.events.at(-1)}`);
        return false;
      },
      readyWithinMs: READY_WITHIN_MS,
      onLine: (line) => this.#line(line),
    });
  }

  /** The node that serves it, as far as it was told. */
  get node(): string | undefined {
    return this.welcomes.at(-1)?.node;
  }

  /**
   * Starts the program and waits until its subscription is in force.
   *
   * @throws Error with its last lines where it is not
   */
  async start(): Promise<void> {
    try {
      await this.#process.start();
    } catch (error) {
      await this.#process.stop('SIGKILL');
      throw error;
    }
    void this.#process.exited.then((result) => {
      if (!this.#isStopping) this.ended ??= `the program ended with ${result}`;
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#process.stop('SIGKILL');
  }

  #line(line: string): void {
    const [word = '', ...rest] = line.trim().split(/\s+/);
    if (word === 'message') {
      this.seqs.push(Number(rest[1]));
      return;
    }
    if (word === 'welcome') this.welcomes.push({ node: rest[0] ?? '', at: performance.now() });
    if (word === 'lost') this.losses += 1;
    if (word === 'gap') this.announced += 1;
    if (word === 'subscribed') {
      this.subscriptions += 1;
      if (rest[0]?.toLowerCase() === 'false') this.announced += 1;
    }
    if (word === 'ended') this.ended ??= rest.join(' ') || 'without a reason';
    this.events.push(line);
    if (this.events.length > KEPT_LINES) this.events.shift();
  }
}
