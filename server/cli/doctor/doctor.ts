/** `doctor`: finds out what a proxy in front of the hub does to connections, and how to fix it. */
import type { Command } from 'commander';
import { CliError } from '../exit-codes.js';
import { getJson } from '../http.js';
import { positive } from '../numbers.js';
import { globalOptions, type Surroundings, type Terminal } from '../output.js';
import { CHECKS, type Patient } from './checks.js';
import type { Finding } from './finding.js';

/** The hub sends a heartbeat on every connection at least every 15 s; watching a little longer shows if it arrives. */
const WAIT_S = 18;
const MARKS = {
  ok: ['green', '✓'],
  warning: ['yellow', '!'],
  failed: ['red', '✗'],
  skipped: ['grey', '–'],
} as const;

interface Health {
  readonly status?: string;
  /** For operators, as the next one. */
  readonly instances?: number;
  readonly load_balancer?: boolean;
}

export function addDoctor(program: Command, surroundings: Surroundings): void {
  program
    .command('doctor [url]')
    .description(
      'examines the path to a hub (buffering, timeouts, stickiness, upgrades) and says how to fix what it finds',
    )
    .option('--wait <s>', 'how long idle connections are watched', positive(600), WAIT_S)
    .addHelpText(
      'after',
      `
Exits with 1 if something must be fixed.

Examples:
  axiom-streaming doctor https://hub.example.com
  axiom-streaming --json doctor http://localhost:8001 --wait 5`,
    )
    .action(async (url: string | undefined, { wait }: { wait: number }, command: Command) => {
      const global = globalOptions(command, surroundings);
      const options = { ...global, url: (url ?? global.url).replace(/\/+$/, '') };
      const { terminal } = surroundings;
      const patient = await examine(options, wait * 1000);
      if (!options.json) terminal.print(`${options.url}: ${nodes(patient.instances)}, watched for ${wait} s`);
      // All in parallel: the longest ones only wait.
      const findings = (await Promise.all(CHECKS.map((check) => check(patient)))).flat();
      for (const finding of findings) show(terminal, finding, options.json);
      const failed = findings.filter(({ state }) => state === 'failed').length;
      if (failed > 0)
        throw new CliError(
          'unhealthy',
          `${failed} ${failed === 1 ? 'problem needs' : 'problems need'} fixing`,
        );
    });
}

/** @throws CliError if there is no hub at the address. */
async function examine(
  options: { url: string; token: string | undefined; json: boolean },
  waitMs: number,
): Promise<Patient> {
  const { status, instances, load_balancer: behindProxy } = await getJson<Health>('/health', options);
  if (status === undefined) throw new CliError('no_hub', `${options.url}/health was not answered by a hub`);
  const { streams } = await getJson<{ streams: { name: string }[] }>('/api/streams', options);
  const { url, token } = options;
  return { url, token, instances, behindProxy, waitMs, stream: streams[0]?.name };
}

function nodes(count: number | undefined): string {
  return count === undefined ? 'a hub' : `${count} node${count === 1 ? '' : 's'}`;
}

function show(terminal: Terminal, finding: Finding, json: boolean): void {
  if (json) {
    terminal.print(JSON.stringify(finding));
    return;
  }
  const [colour, mark] = MARKS[finding.state];
  terminal.print(`${terminal.paint(terminal.stdout, colour, mark)} ${finding.check}: ${finding.what}`);
  for (const line of finding.mend?.split('\n') ?? []) terminal.print(`    ${line}`);
}
