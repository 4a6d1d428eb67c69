/** `check`: validates the configuration in the environment, and the set-up of its Redis, without starting anything. */
import type { Command } from 'commander';
import { type Config, ConfigError, readConfig } from '../config/config.js';
import { type Environment, VARIABLES } from '../config/variables.js';
import { silentLogger } from '../logger.js';
import { RedisLink } from '../redis/redis-link.js';
import { type SetUpFinding, setUpOf } from '../redis/set-up.js';
import { CliError, EXIT } from './exit-codes.js';
import { messageOf, type Terminal } from './output.js';

/** How long Redis may take to connect, ms. */
const CONNECT_WITHIN_MS = 3_000;

export function addCheck(program: Command, terminal: Terminal, environment: Environment): void {
  program
    .command('check')
    .description(
      'checks the configuration in the environment, the files that it names, and the set-up of its Redis',
    )
    .addHelpText(
      'after',
      '\nExits with 2 and prints one line for each mistake if anything is wrong, and with 1 if Redis would lose data. A Redis that\ndoes not answer is only mentioned: it may be out of reach from here.\n\nExample:\n  env $(cat hub.env) axiom-streaming check',
    )
    .action(async (_options: object, command: Command) => {
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
      const redis = config === undefined ? [] : await askRedis(config.redis.url);
      const dangers = redis.filter(({ level }) => level === 'danger').map(({ text }) => text);
      const ok = mistakes.length === 0 && dangers.length === 0;
      if (json) terminal.print(JSON.stringify({ ok, mistakes, set, streams, redis }));
      if (config === undefined) throw new ConfigError(mistakes);
      if (dangers.length > 0) throw new CliError('redis', dangers.join('\n'), EXIT.refused);
      if (json) return;
      const { paint, stdout } = { paint: terminal.paint.bind(terminal), stdout: terminal.stdout };
      terminal.print(paint(stdout, 'green', 'The configuration is valid.'));
      terminal.print('');
      terminal.table(
        ['STREAM', 'CLASS', 'READ BY'],
        streams!.map((one) => [one.name, one.class, one.read]),
      );
      terminal.print('');
      for (const { text } of redis) terminal.print(paint(stdout, 'yellow', `Redis: ${text}`));
      if (Object.keys(set).length === 0) terminal.print('Nothing is set: all defaults apply.');
      else terminal.table(['SET', 'TO'], Object.entries(set));
      terminal.print(
        config.access.development
          ? 'Development mode: only this machine is served, and it may read without a token.'
          : 'Access requires a token.',
      );
    });
}

/** What is to be said of the set-up of a Redis. @param url '': there is none */
async function askRedis(url: string): Promise<SetUpFinding[]> {
  if (url === '') return [];
  const link = new RedisLink({ url, logger: silentLogger });
  try {
    await link.connect(AbortSignal.timeout(CONNECT_WITHIN_MS));
    return await setUpOf(link);
  } catch (error) {
    return [{ level: 'note', text: `its set-up could not be checked: ${messageOf(error)}` }];
  } finally {
    await link.close();
  }
}
