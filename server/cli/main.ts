#!/usr/bin/env node
/** `axiom-streaming`, the command line: starts hubs, and acts as their client. */
import { Command, CommanderError, Option } from 'commander';
import { ConfigError } from '../config/config.js';
import { VERSION } from '../manifest.js';
import { addCheck } from './check.js';
import { addDemo } from './demo.js';
import { addDoctor } from './doctor/doctor.js';
import { CliError, EXIT, exitCodeOf, UsageError } from './exit-codes.js';
import { addListing } from './listing.js';
import { messageOf, Terminal } from './output.js';
import { addPublishing } from './publishing.js';
import { addReading } from './reading.js';
import { addToken } from './token.js';

const EXAMPLES = `
Examples:
  axiom-streaming start                                   one node, its log in memory
  axiom-streaming sub 'market:*' --conflate latest --max-rate 2
  axiom-streaming pub market:TEST '{"price":1}' --token "$KEY"
  axiom-streaming doctor https://hub.example.com

AXIOM_URL and AXIOM_TOKEN are used where --url and --token are not given.
Exit codes: 0 done · 1 refused, or a problem was found · 2 wrong usage or configuration · 3 hub not reached ·
4 timed out`;

async function main(): Promise<void> {
  const program = new Command('axiom-streaming')
    .description('Runs a real-time hub, and talks to it from a shell.')
    .version(VERSION)
    .addOption(new Option('--url <url>', 'the hub').env('AXIOM_URL').default('http://localhost:8001'))
    // Not declared with `env`: the help would print the value.
    .option('--token <token>', 'token or publish key (env: AXIOM_TOKEN)')
    .option('--json', 'print JSON, one object per line, and nothing else on standard output', false)
    .addHelpText('after', EXAMPLES)
    .showHelpAfterError('(see --help)')
    .configureHelp({ showGlobalOptions: true })
    .exitOverride();
  const terminal = new Terminal(process.stdout, process.stderr, process.env);
  // The reader of the pipe is done, as in `| head`.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT.done : EXIT.refused),
  );
  addStarting(program);
  addToken(program, terminal, process.env);
  for (const add of [addReading, addPublishing, addListing, addDoctor, addDemo]) {
    add(program, { terminal, token: process.env.AXIOM_TOKEN });
  }
  addCheck(program, terminal, process.env);
  try {
    await program.parseAsync();
  } catch (error) {
    report(error, terminal, program.opts<{ json: boolean }>().json);
    process.exit(exitCodeOf(error));
  }
}

/** Commands that are separate programs run as such, with the arguments that they understand. */
function addStarting(program: Command): void {
  program
    .command('start')
    .description('starts one node; the environment configures it (see README)')
    .option('--port <n>', 'PORT, for this run')
    .option('--redis <url>', 'REDIS_URL, for this run')
    .option('--no-feeds', 'without the demo feeds')
    .addHelpText('after', '\nExample:\n  axiom-streaming start --port 9000 --no-feeds')
    .action(async ({ port, redis, feeds }: { port?: string; redis?: string; feeds: boolean }) => {
      setEnvironment({ PORT: port, REDIS_URL: redis, FEEDS: feeds ? undefined : 'off' });
      await import('../main.js');
    });
  program
    .command('cluster')
    .description('starts Redis, nodes and NGINX on this machine')
    .option('--port <n>', 'PORT, for this run')
    .option('--nodes <n>', 'NODES, for this run')
    .addHelpText('after', '\nExample:\n  axiom-streaming cluster --nodes 5')
    .action(async ({ port, nodes }: { port?: string; nodes?: string }) => {
      setEnvironment({ PORT: port, NODES: nodes });
      await import('../local-cluster/run.js');
    });
}

function setEnvironment(values: Readonly<Record<string, string | undefined>>): void {
  for (const [name, value] of Object.entries(values)) if (value !== undefined) process.env[name] = value;
}

function report(error: unknown, terminal: Terminal, json: boolean): void {
  // Commander has printed it already.
  if (error instanceof CommanderError) return;
  const mistakes = error instanceof ConfigError ? error.mistakes : undefined;
  if (json) terminal.error(JSON.stringify({ error: codeOf(error), message: messageOf(error), mistakes }));
  else terminal.error(terminal.paint(terminal.stderr, 'red', messageOf(error)));
  if (!json && error instanceof UsageError) terminal.error('(see --help)');
}

function codeOf(error: unknown): string {
  if (error instanceof CliError) return error.code;
  return error instanceof ConfigError ? 'configuration' : 'internal';
}

void main();
