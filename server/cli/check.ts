/** `check`: validates the configuration in the environment without starting anything. */
import type { Command } from 'commander';
import { type Config, ConfigError, readConfig } from '../config/config.js';
import { type Environment, VARIABLES } from '../config/variables.js';
import type { Terminal } from './output.js';

export function addCheck(program: Command, terminal: Terminal, environment: Environment): void {
  program
    .command('check')
    .description('checks the configuration in the environment and the files that it names')
    .addHelpText(
      'after',
      '\nExits with 2 and prints one line for each mistake if anything is wrong.\n\nExample:\n  env $(cat hub.env) axiom-streaming check',
    )
    .action((_options: object, command: Command) => {
      const { json } = command.optsWithGlobals<{ json: boolean }>();
      const mistakes: string[] = [];
      let config: Config | undefined;
      try {
        config = readConfig(environment);
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        mistakes.push(...error.mistakes);
      }
      const set = Object.fromEntries(
        Object.entries(VARIABLES)
          .filter(([name]) => environment[name])
          .map(([name, { isSecret }]) => [name, isSecret ? '…' : environment[name]!]),
      );
      const streams = config?.streams.map(({ name, class: kind, read }) => ({ name, class: kind, read }));
      if (json) terminal.print(JSON.stringify({ ok: mistakes.length === 0, mistakes, set, streams }));
      if (config === undefined) throw new ConfigError(mistakes);
      if (json) return;
      const { paint, stdout } = { paint: terminal.paint.bind(terminal), stdout: terminal.stdout };
      terminal.print(paint(stdout, 'green', 'The configuration is valid.'));
      terminal.print('');
      terminal.table(
        ['STREAM', 'CLASS', 'READ BY'],
        streams!.map((one) => [one.name, one.class, one.read]),
      );
      terminal.print('');
      if (Object.keys(set).length === 0) terminal.print('Nothing is set: all defaults apply.');
      else terminal.table(['SET', 'TO'], Object.entries(set));
      terminal.print(
        config.access.development
          ? 'Development mode: only this machine is served, and it may read without a token.'
          : 'Access requires a token.',
      );
    });
}
