import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { INSTALL_SCRIPTS } from './allowed.mjs';

const AT_INSTALL = ['preinstall', 'install', 'postinstall'];
const OWN = /^(packages\/|docker$)/;

/** What a package that is installed here runs at its installation, though the lock file may not say so. */
function runsAtInstall(folder) {
  const manifest = join(folder, 'package.json');
  if (!existsSync(manifest)) return [];
  const { scripts = {} } = JSON.parse(readFileSync(manifest, 'utf8'));
  const names = AT_INSTALL.filter((name) => name in scripts);
  return names.length === 0 && existsSync(join(folder, 'binding.gyp')) ? ['node-gyp'] : names;
}

/**
 * Every package of the lock file has a checksum and comes from the registry that npm is set to; those that run something
 * when they are installed are named in `allowed.mjs`.
 *
 * @param {string} root folder with package-lock.json, and node_modules where it is installed
 * @returns {{ problems: string[], packages: number }}
 */
export function auditLock(root) {
  const { packages } = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  const problems = [];
  const allowed = new Set();
  const entries = Object.entries(packages).filter(([path]) => path !== '' && !OWN.test(path));
  for (const [path, entry] of entries) {
    const name = entry.name ?? path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
    if (entry.link) {
      if (!OWN.test(entry.resolved)) problems.push(`${path}: links to ${entry.resolved}`);
      continue;
    }
    // A bundled package is covered by the checksum of the one that brings it.
    if (!entry.inBundle && !/^sha512-/.test(entry.integrity ?? '')) problems.push(`${path}: has no sha512`);
    if (entry.resolved !== undefined) problems.push(`${path}: names where it comes from (resolved)`);
    const scripts = runsAtInstall(join(root, path));
    if (!entry.hasInstallScript && scripts.length === 0) continue;
    if (name in INSTALL_SCRIPTS) allowed.add(name);
    else problems.push(`${path}: runs something at its installation (${scripts.join(', ') || 'a script'})`);
  }
  for (const name of Object.keys(INSTALL_SCRIPTS)) {
    if (!allowed.has(name))
      problems.push(`${name}: is allowed a script at installation that it does not have`);
  }
  return { problems, packages: entries.length };
}
