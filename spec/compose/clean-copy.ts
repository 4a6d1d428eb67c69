import { cpSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { output } from './engine.js';

/**
 * Copies into `target` what a clone would have if everything here were committed: neither packages nor builds nor .env.
 * @returns how many files there are @throws Error where this is no checkout of git
 */
export async function copyCheckout(root: string, target: string): Promise<number> {
  const listed = await output('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard']);
  const files = [...new Set(listed.split('\0'))].filter(
    (file) => file !== '' && existsSync(join(root, file)),
  );
  for (const file of files) cpSync(join(root, file), join(target, file));
  return files.length;
}
