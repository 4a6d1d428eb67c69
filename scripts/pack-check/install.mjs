/** Installing tarballs in an empty folder. */
import { lstatSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { npmProgram, run } from './commands.mjs';

/** Installs tarballs, with what they depend on. @param {readonly string[]} tarballs */
export async function install(folder, tarballs) {
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true }\n');
  const [program, ...before] = npmProgram('npm');
  await run(program, [...before, 'install', '--no-audit', '--no-fund', ...tarballs], { cwd: folder });
}

/** What a folder takes on the disk: in blocks, where the system tells them. */
export function diskBytes(folder) {
  let sum = 0;
  for (const file of readdirSync(folder, { recursive: true })) {
    const { blocks, size } = lstatSync(join(folder, file));
    sum += blocks === undefined ? size : blocks * 512;
  }
  return sum;
}
