/** Running programs, and saying what is off. */
import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';

/** @throws Error with this line, where something does not hold */
export function must(holds, line) {
  if (!holds) throw new Error(line);
}

/** A program of npm, started so that it is found on Windows too: through the npm that runs this. */
export function npmProgram(name) {
  const { npm_execpath: npm } = process.env;
  return npm === undefined || !npm.endsWith('npm-cli.js')
    ? [name]
    : [process.execPath, join(dirname(npm), `${name}-cli.js`)];
}

/** The environment without what the npm that runs this has put there, and without anything that configures a hub. */
export function plainEnvironment(added = {}) {
  const kept = [
    'PATH',
    'Path',
    'HOME',
    'USERPROFILE',
    'APPDATA',
    'LOCALAPPDATA',
    'SystemRoot',
    'ComSpec',
    'TMPDIR',
  ];
  const proxies = Object.keys(process.env).filter((name) =>
    /^(npm_config_(registry|userconfig|cache)|https?_proxy|no_proxy|NODE_EXTRA_CA_CERTS)$/i.test(name),
  );
  const names = [...kept, ...proxies].filter((name) => process.env[name] !== undefined);
  return { ...Object.fromEntries(names.map((name) => [name, process.env[name]])), ...added };
}

/**
 * Runs a program to its end.
 *
 * @param {string} program
 * @param {readonly string[]} args
 * @param {{ cwd: string, env?: object, shown?: boolean, fails?: boolean }} options `fails`: it has to
 * @returns {Promise<string>} what it wrote
 * @throws Error with what it wrote, where it fails, or does not and should
 */
export async function run(program, args, { cwd, env = {}, shown = false, fails = false }) {
  const child = spawn(program, args, {
    cwd,
    env: plainEnvironment(env),
    stdio: ['ignore', shown ? 'inherit' : 'pipe', shown ? 'inherit' : 'pipe'],
  });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (text += chunk));
  const code = await new Promise((resolve, reject) => {
    child.on('error', reject).on('close', resolve);
  });
  const command = [program, ...args].join(' ');
  must((code === 0) !== fails, `${command} ended with ${code}:\n${text}`);
  return text;
}
