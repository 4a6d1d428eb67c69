/** The exit codes of the commands. Scripts rely on them. */

import { HubError } from '@axiom-streaming/client';
import { CommanderError } from 'commander';
import { ConfigError } from '../config/config.js';

export const EXIT = { done: 0, refused: 1, usage: 2, unreachable: 3, timeout: 4, interrupted: 130 } as const;

/** A command failed. `code` is for programs. */
export class CliError extends Error {
  readonly code: string;
  readonly exitCode: number;

  constructor(code: string, message: string, exitCode: number = EXIT.refused) {
    super(message);
    this.code = code;
    this.exitCode = exitCode;
  }
}

/** The command line is invalid. */
export class UsageError extends CliError {
  constructor(message: string) {
    super('usage', message, EXIT.usage);
  }
}

/** Turns a refusal of the hub, or a failure to reach it, into the error that ends a command. */
export function fromHub(error: unknown, url: string): CliError {
  if (error instanceof CliError) return error;
  if (!(error instanceof HubError)) return new CliError('internal', String(error));
  const { code, message } = error;
  if (code === 'unreachable' || code === 'timeout') {
    return new CliError(
      code,
      `${url} could not be reached: ${message.replace(`${url}: `, '')}`,
      EXIT.unreachable,
    );
  }
  return new CliError(code, `${code}: ${message}`);
}

/** The exit code for the error that ended a command. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CliError) return error.exitCode;
  if (error instanceof ConfigError) return EXIT.usage;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  return EXIT.refused;
}
