/**
 * `npm run pack:check [-- --conformance]`: packs the published packages, installs them in empty folders as a user
 * would, and uses them: it starts the hub with `npx axiom-streaming start`, and reads with the installed client. Prints
 * the sizes.
 *
 * If something is wrong, it prints one line and exits with 1. It needs the output of `npm run build`, and the registry
 * for the hub's dependencies. `--conformance` also runs the repository's conformance suite against the packed hub.
 */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { packAll } from './pack.mjs';
import { checkClient, checkExamples, checkProtocol } from './pack-check/client.mjs';
import { must, run } from './pack-check/commands.mjs';
import { startHub, tellsWhatIsMissing } from './pack-check/hub.mjs';
import { diskBytes, install } from './pack-check/install.mjs';

const ROOT = resolve(import.meta.dirname, '..');
const KB = 1_000;
const MB = 1_000_000;
/** Maximum sizes of the tarballs, bytes. */
const LIMITS = {
  '@axiom-streaming/client': 60 * KB,
  '@axiom-streaming/protocol': 60 * KB,
  'axiom-streaming': 3 * MB,
};
/** Maximum size of an installation of the hub with its dependencies, bytes. */
const MAX_INSTALLED_BYTES = 60 * MB;

const folder = mkdtempSync(join(tmpdir(), 'axiom-pack-'));
try {
  await checkAll();
  console.log('pack:check: all is well');
} catch (error) {
  console.error(`pack:check: ${error instanceof Error ? error.message : error}`);
  process.exitCode = 1;
} finally {
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

async function checkAll() {
  const packed = await packAll(join(ROOT, 'dist/packages'));
  for (const { name, bytes, files } of packed) {
    console.log(`${name}: tarball ${Math.ceil(bytes / KB)} kB, ${files} files`);
    must(bytes <= LIMITS[name], `${name}: the tarball has ${bytes} bytes, more than ${LIMITS[name]}`);
  }
  const alone = folderOf('client');
  await install(alone, [tarballOf(packed, '@axiom-streaming/client')]);
  await checkClient(alone);
  const protocol = folderOf('protocol');
  await install(protocol, [tarballOf(packed, '@axiom-streaming/protocol')]);
  await checkProtocol(protocol);
  const whole = folderOf('hub');
  await install(
    whole,
    packed.map(({ tarball }) => tarball),
  );
  const installed = diskBytes(join(whole, 'node_modules'));
  console.log(`installed without optional packages: ${(installed / MB).toFixed(1)} MB`);
  must(
    installed <= MAX_INSTALLED_BYTES,
    `${installed} bytes are installed, more than ${MAX_INSTALLED_BYTES}`,
  );
  await tellsWhatIsMissing(whole);
  const hub = await startHub(whole);
  try {
    await hub.serves();
    await checkExamples(whole, hub);
    if (process.argv.includes('--conformance')) {
      const suite = join(ROOT, 'dist/spec/conformance/run.js');
      await run(process.execPath, [suite, '--url', hub.url, '--token', hub.token], {
        cwd: ROOT,
        shown: true,
      });
    }
  } finally {
    await hub.stop();
  }
}

function folderOf(name) {
  const path = join(folder, name);
  mkdirSync(path);
  return path;
}

function tarballOf(packed, name) {
  return packed.find((one) => one.name === name).tarball;
}
