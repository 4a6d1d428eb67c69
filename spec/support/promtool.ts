import { spawnSync } from 'node:child_process';
import { findProgram, MissingProgram } from '../../server/local-cluster/managed-process.js';

/** The path of a program. Where it is missing, the spec is skipped, and says so. */
export function programOrSkip(spec: Mocha.Context, program: string, debianPackage: string): string {
  try {
    return findProgram(program, debianPackage);
  } catch (error) {
    if (!(error instanceof MissingProgram)) throw error;
    console.warn(`      SKIPPED: ${error.message}`);
    return spec.skip();
  }
}

/**
 * Runs Prometheus's own checks. Where there is no `promtool`, the spec is skipped, and says so.
 *
 * @returns a function of arguments and standard input that returns what `promtool` wrote. It throws where that failed.
 */
export function promtool(spec: Mocha.Context): (args: readonly string[], input?: string) => string {
  const command = programOrSkip(spec, 'promtool', 'prometheus');
  return (args, input = '') => {
    const { status, stdout, stderr } = spawnSync(command, args, { input, encoding: 'utf8' });
    if (status !== 0) throw new Error(`promtool ${args.join(' ')}:\n${stdout}${stderr}`);
    return `${stdout}${stderr}`.trim();
  };
}
