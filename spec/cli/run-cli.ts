import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { SPEC_KEY } from '../support/credentials.js';

const CLI = fileURLToPath(new URL('../../server/cli/main.js', import.meta.url));

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output with each line read as JSON. */
  json(): Record<string, unknown>[];
}

export interface CliOptions {
  readonly url?: string;
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs the command line as a process of its own, with the key of the specs. */
export function runCli(
  args: readonly string[],
  { url, input = '', env }: CliOptions = {},
): Promise<CliResult> {
  const { PATH = '' } = process.env;
  const all = { PATH, AXIOM_TOKEN: SPEC_KEY, ...(url === undefined ? {} : { AXIOM_URL: url }), ...env };
  const child = spawn(process.execPath, [CLI, ...args], { env: all });
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const json = () =>
        stdout
          .trim()
          .split('\n')
          .map((line) => JSON.parse(line) as Record<string, unknown>);
      resolve({ code, stdout, stderr, json });
    });
  });
}
