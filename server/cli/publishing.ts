/** `pub`: one message, or a file of them at a rate. */
import { randomBytes } from 'node:crypto';
import { createReadStream, statSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { type HubClient, HubError, mayPass, type Transport } from '@axiom-streaming/client';
import { flawOf, withoutBom } from '@axiom-streaming/protocol/json';
import type { Command } from 'commander';
import { openClient } from './client.js';
import { CliError, fromHub, UsageError } from './exit-codes.js';
import { positive } from './numbers.js';
import { globalOptions, messageOf, type Surroundings, type Terminal } from './output.js';
import { ProgressBar } from './progress-bar.js';
import { transportOption } from './reading.js';

/** Unanswered publishes at a time; below the hub's own limit for one connection. */
const MAX_IN_FLIGHT = 128;
const STEP_MS = 10;
/** How long a message that the hub temporarily refuses is retried, with growing pauses. */
const RETRY_FOR_MS = 30_000;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;
/** Number of refusals that are printed; the rest are only counted. */
const SHOWN_REFUSALS = 5;

interface PublishingOptions {
  readonly id?: string;
  readonly file?: string;
  readonly rate?: number;
  readonly transport: 'auto' | Transport;
}

interface Item {
  readonly topic: string;
  readonly data: unknown;
  readonly id: string;
}

export function addPublishing(program: Command, surroundings: Surroundings): void {
  program
    .command('pub [topic] [data]')
    .description('publishes one message, or with --file one per line of a file')
    .option('--id <id>', 'id of the message: publishing it again does nothing')
    .option(
      '--file <path>',
      'NDJSON: {"topic","data","id"?} per line, or bare data with a topic; - reads standard input',
    )
    .option(
      '--rate <n>',
      'messages per second from the file (default: as fast as the hub takes them)',
      positive(1e6),
    )
    .addOption(transportOption())
    .addHelpText(
      'after',
      `
A line that the hub cannot take for the moment is sent again, with an id, so that it is published once. Lines that it
refuses are told on standard error, and the command ends with 1.

Examples:
  axiom-streaming pub market:TEST '{"price":1}' --token "$KEY"
  axiom-streaming pub --file prices.ndjson --rate 500
  seq 100 | axiom-streaming pub news:numbers --file -`,
    )
    .action(
      async (
        topic: string | undefined,
        data: string | undefined,
        options: PublishingOptions,
        command: Command,
      ) => {
        const global = globalOptions(command, surroundings);
        const { terminal } = surroundings;
        const { file } = options;
        if (file === undefined && (topic === undefined || data === undefined))
          throw new UsageError('give a topic and its data, or --file');
        if (file !== undefined && data !== undefined)
          throw new UsageError('data and --file cannot be combined');
        if (file !== undefined && options.id !== undefined)
          throw new UsageError('--id is for a single message');
        const value = data === undefined ? undefined : parseData(data, 'data');
        const bytes = file === undefined || file === '-' ? undefined : sizeOf(file);
        const client = await openClient(global, options.transport);
        try {
          if (file === undefined) {
            const published = await client.publish(
              topic!,
              value,
              options.id === undefined ? {} : { id: options.id },
            );
            const { seq, epoch, duplicate } = published;
            terminal.print(
              global.json
                ? plainJson(published)
                : `${topic} #${seq} of epoch ${epoch}${duplicate ? ' (already published)' : ''}`,
            );
          } else {
            const input = file === '-' ? process.stdin : createReadStream(file);
            const run = new FileRun(client, terminal, { rate: options.rate, bytes, json: global.json });
            await run.publish(input, topic);
          }
        } catch (error) {
          throw fromHub(error, global.url);
        } finally {
          client.close();
        }
      },
    );
}

/** The acknowledgement without its frame's fields. */
function plainJson({
  topic,
  seq,
  epoch,
  time,
  duplicate,
}: Awaited<ReturnType<HubClient['publish']>>): string {
  return JSON.stringify({ topic, seq, epoch, time, duplicate });
}

function parseData(text: string, where: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(withoutBom(text));
  } catch (error) {
    throw new UsageError(`${where} is not JSON: ${messageOf(error)}; text must be quoted: '"text"'`);
  }
  const flaw = flawOf(value);
  if (flaw !== undefined) throw new UsageError(`${where}: ${flaw}`);
  return value;
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch (error) {
    throw new UsageError(`--file: ${messageOf(error)}`);
  }
}

/** Publishes the lines of one file. */
class FileRun {
  readonly #client: HubClient;
  readonly #terminal: Terminal;
  readonly #rate: number | undefined;
  readonly #json: boolean;
  readonly #bar: ProgressBar;
  readonly #runId = randomBytes(6).toString('base64url');
  readonly #startedAt = performance.now();
  readonly #inFlight = new Set<Promise<void>>();
  #sent = 0;
  #published = 0;
  #refused = 0;
  #failure: CliError | undefined;

  constructor(
    client: HubClient,
    terminal: Terminal,
    options: { rate: number | undefined; bytes: number | undefined; json: boolean },
  ) {
    this.#client = client;
    this.#terminal = terminal;
    this.#rate = options.rate;
    this.#json = options.json;
    this.#bar = new ProgressBar(terminal, options.bytes, options.json);
  }

  async publish(input: NodeJS.ReadableStream, topic: string | undefined): Promise<void> {
    let line = 0;
    for await (const read of createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY })) {
      const text = line === 0 ? withoutBom(read) : read;
      if (this.#failure !== undefined) break;
      line += 1;
      this.#bar.advance(Buffer.byteLength(text) + 1, this.#published);
      if (text.trim() === '') continue;
      const item = this.#read(text, topic, line);
      if (item === undefined) continue;
      await this.#turn();
      this.#sent += 1;
      const sending = this.#send(item, line).finally(() => this.#inFlight.delete(sending));
      this.#inFlight.add(sending);
    }
    await Promise.all(this.#inFlight);
    this.#finish();
  }

  #read(text: string, topic: string | undefined, line: number): Item | undefined {
    const id = `${this.#runId}-${line}`;
    try {
      const value: unknown = JSON.parse(text);
      // On its way to the hub it would become null.
      const flaw = flawOf(value);
      if (flaw !== undefined) throw new Error(`data: ${flaw}`);
      if (topic !== undefined) return { topic, data: value, id };
      const item = value as Partial<Item> | null;
      if (typeof item?.topic !== 'string' || item.data === undefined)
        throw new Error('it must have "topic" and "data"');
      return { id, ...item } as Item;
    } catch (error) {
      this.#refuse(line, 'bad_line', messageOf(error));
      return undefined;
    }
  }

  /** Waits until the next message is due and the hub has answered enough of the earlier ones. */
  async #turn(): Promise<void> {
    while (this.#inFlight.size >= MAX_IN_FLIGHT) await Promise.race(this.#inFlight);
    if (this.#rate === undefined) return;
    for (;;) {
      const waitMs = this.#startedAt + (this.#sent * 1000) / this.#rate - performance.now();
      if (waitMs <= 0) return;
      await delay(Math.max(STEP_MS, waitMs));
    }
  }

  async #send({ topic, data, id }: Item, line: number): Promise<void> {
    const until = performance.now() + RETRY_FOR_MS;
    for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(MAX_PAUSE_MS, pauseMs * 2)) {
      try {
        await this.#client.publish(topic, data, { id });
        this.#published += 1;
        return;
      } catch (error) {
        if (!(error instanceof HubError)) throw error;
        // Room is made by an operator, or by time: this waits for neither.
        if (!mayPass(error) || error.code === 'too_many_keys' || error.code === 'quota_exceeded')
          return this.#refuse(line, error.code, error.message);
        if (performance.now() > until || this.#client.status.state === 'closed') {
          this.#failure ??= fromHub(error, 'the hub');
          return;
        }
        await delay(pauseMs * (0.5 + Math.random()));
      }
    }
  }

  #refuse(line: number, code: string, message: string): void {
    this.#refused += 1;
    if (this.#refused > SHOWN_REFUSALS) return;
    this.#bar.clear();
    const text = this.#json
      ? JSON.stringify({ line, error: code, message })
      : `line ${line}: ${code}: ${message}`;
    this.#terminal.error(this.#terminal.paint(this.#terminal.stderr, 'red', text));
  }

  #finish(): void {
    this.#bar.clear();
    const seconds = (performance.now() - this.#startedAt) / 1000;
    const published = this.#published;
    const refused = this.#refused;
    const perSecond = Math.round(published / Math.max(seconds, 0.001));
    this.#terminal.print(
      this.#json
        ? JSON.stringify({ published, refused, seconds: Math.round(seconds * 1000) / 1000, perSecond })
        : `${published} published${refused > 0 ? `, ${refused} refused` : ''} in ${seconds.toFixed(1)} s, ${perSecond}/s`,
    );
    if (this.#failure !== undefined) throw this.#failure;
    if (refused > 0)
      throw new CliError('refused', `${refused} ${refused === 1 ? 'line was' : 'lines were'} refused`);
  }
}
