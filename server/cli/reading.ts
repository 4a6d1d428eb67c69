/** `sub` and `tail`: live messages, and past ones. */

import type {
  ClientEvents,
  HubClient,
  HubMessage,
  SubscribeOptions,
  Transport,
} from '@axiom-streaming/client';
import { TRANSPORTS } from '@axiom-streaming/protocol/transports';
import { type Command, Option } from 'commander';
import { interrupted, openClient } from './client.js';
import { CliError, EXIT, fromHub, UsageError } from './exit-codes.js';
import { positive, whole } from './numbers.js';
import {
  type Colour,
  type GlobalOptions,
  globalOptions,
  type Surroundings,
  type Terminal,
} from './output.js';

interface ReadingOptions {
  readonly rewind?: number;
  readonly since?: string;
  readonly conflate?: 'latest' | 'merge';
  readonly maxRate?: number;
  readonly transport: 'auto' | Transport;
  readonly count?: number;
  readonly timeout?: number;
  readonly cursor: boolean;
}

const MAX_WAIT_S = 86_400;

/** The `--transport` option, shared by several commands. */
export function transportOption(): Option {
  return new Option('--transport <name>', 'how to connect').choices(['auto', ...TRANSPORTS]).default('auto');
}

export function addReading(program: Command, surroundings: Surroundings): void {
  program
    .command('sub <topics...>')
    .description('reads topics until Ctrl-C; reconnects, and reads what was missed meanwhile')
    .option('--rewind <n>', 'start with the last n messages of each topic', whole(1, 10_000))
    .option('--since <cursor>', 'continue from a cursor')
    .addOption(
      new Option('--conflate <how>', 'only the newest message per key, with --max-rate').choices([
        'latest',
        'merge',
      ]),
    )
    .option('--max-rate <n>', 'messages per second and key', positive(1000))
    .addOption(transportOption())
    .option('-n, --count <n>', 'exit after n messages', whole(1, 1e9))
    .option('--timeout <s>', 'exit with code 4 after this many seconds', positive(MAX_WAIT_S))
    .option('--cursor', 'show the cursor of each message', false)
    .addHelpText(
      'after',
      `
Messages go to standard output; what happens to the connection, gaps included, to standard error.

Examples:
  axiom-streaming sub 'market:*' --rewind 10 --conflate latest --max-rate 2
  axiom-streaming --json sub news:acme -n 1 --timeout 30 | jq .data
  axiom-streaming sub 'signals:*' --since "$CURSOR" --cursor`,
    )
    .action(async (topics: string[], options: ReadingOptions, command: Command) => {
      await read(topics, options, globalOptions(command, surroundings), surroundings.terminal);
    });
  program
    .command('tail <topic>')
    .description('prints the last messages of a topic')
    .option('-n, --lines <n>', 'number of messages', whole(1, 1000), 10)
    .option('-f, --follow', 'keep printing new messages', false)
    .addOption(transportOption())
    .option('--cursor', 'show the cursor of each message (with -f)', false)
    .addHelpText(
      'after',
      `
Examples:
  axiom-streaming tail news:* -n 20
  axiom-streaming tail -f market:AAPL`,
    )
    .action(
      async (
        topic: string,
        options: { lines: number; follow: boolean; cursor: boolean; transport: 'auto' | Transport },
        command: Command,
      ) => {
        const global = globalOptions(command, surroundings);
        const { lines, follow, transport, cursor } = options;
        if (follow) await read([topic], { rewind: lines, transport, cursor }, global, surroundings.terminal);
        else await showHistory(topic, lines, transport, global, surroundings.terminal);
      },
    );
}

async function showHistory(
  topic: string,
  limit: number,
  transport: 'auto' | Transport,
  global: GlobalOptions,
  terminal: Terminal,
): Promise<void> {
  const client = await openClient(global, transport);
  try {
    const { messages } = await client.history(topic, { limit });
    for (const message of messages) terminal.print(messageLine(terminal, global.json, message));
  } catch (error) {
    throw fromHub(error, global.url);
  } finally {
    client.close();
  }
}

async function read(
  topics: readonly string[],
  options: ReadingOptions,
  global: GlobalOptions,
  terminal: Terminal,
): Promise<void> {
  const { rewind, since, conflate, maxRate, transport, count, timeout, cursor: showsCursor } = options;
  if (rewind !== undefined && since !== undefined)
    throw new UsageError('--rewind and --since cannot be combined');
  if ((conflate === undefined) !== (maxRate === undefined))
    throw new UsageError('--conflate and --max-rate must be used together');
  const subscribeOptions: SubscribeOptions = JSON.parse(JSON.stringify({ rewind, since, conflate, maxRate }));
  const client = await openClient(global, transport);
  tellEvents(client, terminal, global.json);
  let timer: NodeJS.Timeout | undefined;
  try {
    const enough = new Promise<'enough'>((resolve, reject) => {
      let seen = 0;
      const subscription = client.subscribe(topics, subscribeOptions, (message, cursor) => {
        if (count !== undefined && seen >= count) return;
        terminal.print(messageLine(terminal, global.json, message, showsCursor ? cursor : undefined));
        seen += 1;
        if (seen === count) resolve('enough');
      });
      subscription.ready.catch(reject);
      client.on('status', ({ state, error }) => {
        if (state === 'closed' && error !== undefined) reject(error);
      });
    });
    const over = new Promise<'over'>((resolve) => {
      if (timeout !== undefined) timer = setTimeout(() => resolve('over'), timeout * 1000);
    });
    const end = await Promise.race([enough, over, interrupted()]);
    if (end === 'over') throw new CliError('timeout', `timed out after ${timeout} s`, EXIT.timeout);
  } catch (error) {
    throw fromHub(error, global.url);
  } finally {
    clearTimeout(timer);
    client.close();
  }
}

function messageLine(terminal: Terminal, json: boolean, message: HubMessage, cursor?: string): string {
  if (json) return JSON.stringify(cursor === undefined ? message : { ...message, cursor });
  const { topic, seq, time, data, conflated } = message;
  const paint = (colour: Colour, text: string) => terminal.paint(terminal.stdout, colour, text);
  return [
    paint('grey', new Date(time).toISOString().slice(11, 23)),
    paint('cyan', topic),
    paint('grey', `#${seq}`),
    JSON.stringify(data),
    ...(conflated ? [paint('yellow', `+${conflated}`)] : []),
    ...(cursor === undefined ? [] : [paint('grey', cursor)]),
  ].join(' ');
}

/** Prints the events of the connection on standard error. */
function tellEvents(client: HubClient, terminal: Terminal, json: boolean): void {
  const tell = (colour: Colour, event: keyof ClientEvents, info: object, text: string) =>
    terminal.error(
      json ? JSON.stringify({ event, ...info }) : terminal.paint(terminal.stderr, colour, `— ${text}`),
    );
  const { node, transport } = client.status;
  tell('grey', 'status', client.status, `connected to ${node || 'the hub'} over ${transport}`);
  let before = client.status.state;
  client.on('status', (status) => {
    if (status.state === 'reconnecting' && before !== 'reconnecting')
      tell('yellow', 'status', status, 'the connection was lost');
    before = status.state;
  });
  client.on('recovered', (info) => {
    const { recovered, missed, awayMs } = info;
    const where = `on ${info.node} over ${info.transport} after ${(awayMs / 1000).toFixed(1)} s`;
    if (recovered) tell('green', 'recovered', info, `resumed ${where}: ${missed} caught up, nothing lost`);
    else
      tell(
        'red',
        'recovered',
        info,
        `back ${where}, but some messages could not be recovered; ${missed} caught up`,
      );
  });
  client.on('gap', (gap) => {
    const range = gap.from === undefined ? '' : `, seq ${gap.from} to ${gap.to}`;
    tell('red', 'gap', gap, `messages of ${gap.stream} are missing (${gap.reason})${range}`);
  });
  client.on('degraded', (info) =>
    tell('yellow', 'degraded', info, info.degraded ? `degraded: ${info.reason}` : 'no longer degraded'),
  );
}
