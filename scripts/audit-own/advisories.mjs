import { spawnSync } from 'node:child_process';
import { ADVISORIES } from './allowed.mjs';

const TIMEOUT_MS = 60_000;

/**
 * Asks the registry that npm is set to for advisories about the packages of the lock file.
 *
 * @param {string} root folder with package-lock.json
 * @returns {{ problems: string[], outOfReach?: string }} `outOfReach`: why nothing could be looked up
 */
export function auditAdvisories(root) {
  // As npm itself was started, since `npm` is no program of its own on every system.
  const { npm_execpath: cli } = process.env;
  const [command, before] = cli === undefined ? ['npm', []] : [process.execPath, [cli]];
  const { stdout, error } = spawnSync(command, [...before, 'audit', '--json'], {
    cwd: root,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    maxBuffer: 64 * 1024 * 1024,
  });
  let report;
  try {
    report = JSON.parse(stdout);
  } catch {
    return { problems: [], outOfReach: error?.code ?? 'npm audit gave no report' };
  }
  if (report.vulnerabilities === undefined) {
    // Its message names the registry, which may be a private one.
    return {
      problems: [],
      outOfReach: `the registry answers ${report.statusCode ?? report.error?.code ?? 'nothing'}`,
    };
  }
  const found = new Map();
  for (const { name, via } of Object.values(report.vulnerabilities)) {
    for (const { url = '', title, severity } of via.filter((each) => typeof each === 'object')) {
      const id = url.split('/').at(-1);
      if (!(id in ADVISORIES)) found.set(`${name} ${id}`, `${name}: ${severity}: ${title} (${id})`);
    }
  }
  return { problems: [...found.values()] };
}
