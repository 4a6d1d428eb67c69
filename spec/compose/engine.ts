/** Docker from a spec: commands in a folder, with their output. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

/** The folder of the project. */
export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const run = promisify(execFile);

/**
 * Runs a program, by default in the project's folder.
 *
 * @returns its output.
 * @throws Error with the end of what it wrote.
 */
export async function output(
  command: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd = ROOT,
): Promise<string> {
  try {
    const { stdout } = await run(command, args, {
      cwd,
      env: { ...process.env, ...env },
      maxBuffer: 64 * 1024 * 1024,
    });
    return stdout.trim();
  } catch (error) {
    const {
      stdout = '',
      stderr = '',
      message,
    } = error as { stdout?: string; stderr?: string; message: string };
    throw new Error(`${command} ${args.join(' ')}: ${(stdout + stderr).slice(-3_000) || message}`);
  }
}

/** Why no containers can be started here, or undefined. */
export async function whyNoEngine(): Promise<string | undefined> {
  try {
    await output('docker', ['info', '--format', '{{.ServerVersion}}']);
    await output('docker', ['compose', 'version', '--short']);
    return undefined;
  } catch (error) {
    return (error as Error).message.trim().split('\n').at(-1);
  }
}
