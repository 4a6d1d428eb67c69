/**
 * Packs what is published: `@axiom-streaming/protocol`, `@axiom-streaming/client` and the hub itself,
 * `axiom-streaming`.
 *
 *     node scripts/pack.mjs [folder]      needs what `npm run build` makes; the default folder is dist/packages
 *
 * The two libraries are packed from folders that are made here, and are private where they are developed. In the
 * repository the client's declarations import those of the protocol, so that the other sees a change of one at once. A
 * user installs the client alone, so its package contains the protocol's declarations. It also contains the CommonJS
 * form, which nothing in the repository needs.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';
import { npmProgram } from './pack-check/commands.mjs';

const ROOT = resolve(import.meta.dirname, '..');
const PROTOCOL = /(['"])@axiom-streaming\/protocol\/([a-z-]+)\1/g;
/** Specifiers of declarations: `from './x.js'`, `import('./x.js')`. */
const SPECIFIER = /(from |import\()(['"])(\.[^'"]+|@axiom-streaming\/[^'"]+)\2/g;

/** One packed package. @typedef {{ name: string, tarball: string, bytes: number, files: number }} Packed */

/** Packs all three into a folder. @param {string} folder @returns {Promise<Packed[]>} */
export async function packAll(folder) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const protocol = join(folder, 'protocol');
  const client = join(folder, 'client');
  stage('protocol', protocol);
  stage('client', client);
  await buildClient(client);
  return [protocol, client, ROOT].map((from) => pack(from, folder));
}

/** What both libraries are packed with: a manifest without development entries, the modules, README and licence. */
function stage(name, to) {
  const from = join(ROOT, 'packages', name);
  const {
    private: _,
    devDependencies: __,
    ...manifest
  } = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  mkdirSync(join(to, 'dist'), { recursive: true });
  writeFileSync(join(to, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  for (const file of [join(from, 'README.md'), join(ROOT, 'LICENSE')]) {
    if (existsSync(file)) cpSync(file, join(to, file.endsWith('LICENSE') ? 'LICENSE' : 'README.md'));
  }
  for (const file of readdirSync(join(from, 'dist')).filter((file) => /\.(js|d\.ts)$/.test(file))) {
    // A source map is not shipped, so nothing may name it.
    const text = readFileSync(join(from, 'dist', file), 'utf8').replace(/^\/\/# sourceMappingURL=.*\n?/m, '');
    writeFileSync(join(to, 'dist', file), text);
  }
}

/** Makes the declarations independent of the protocol's package, and adds the CommonJS form with its declarations. */
async function buildClient(folder) {
  const dist = join(folder, 'dist');
  const needed = closure(dist, ['client.d.ts']);
  for (const file of readdirSync(dist)) {
    if (file.endsWith('.d.ts') && !needed.has(file)) rmSync(join(dist, file));
  }
  for (const [file, text] of needed) {
    const to = join(dist, file);
    mkdirSync(dirname(to), { recursive: true });
    writeFileSync(to, text);
    const common = text.replace(SPECIFIER, (all) => all.replace(/\.js(['"])$/, '.cjs$1'));
    writeFileSync(to.replace(/\.d\.ts$/, '.d.cts'), common);
  }
  await build({
    configFile: false,
    logLevel: 'error',
    build: {
      outDir: dist,
      emptyOutDir: false,
      minify: false,
      target: 'es2023',
      rolldownOptions: { external: ['socket.io-client', 'ws'] },
      lib: { entry: join(dist, 'client.js'), formats: ['cjs'], fileName: () => 'client.cjs' },
    },
  });
}

/**
 * The declarations that the given ones need, by file, with relative specifiers only.
 *
 * @returns {Map<string, string>}
 */
function closure(dist, entries) {
  const found = new Map();
  const wanted = [...entries];
  for (let file = wanted.pop(); file !== undefined; file = wanted.pop()) {
    if (found.has(file)) continue;
    const inProtocol = file.startsWith('protocol/');
    const at = inProtocol
      ? join(dist, '../../protocol/dist', file.slice('protocol/'.length))
      : join(dist, file);
    const text = readFileSync(at, 'utf8').replace(PROTOCOL, "'./protocol/$2.js'");
    found.set(file, text);
    for (const [, , , specifier] of text.matchAll(SPECIFIER)) {
      const path = specifier.replace(/^\.\//, '').replace(/\.js$/, '.d.ts');
      wanted.push(inProtocol ? `protocol/${path}` : path);
    }
  }
  return found;
}

/** @returns {Packed} */
function pack(from, to) {
  const [program, ...before] = npmProgram('npm');
  const output = execFileSync(
    program,
    [...before, 'pack', '--json', '--ignore-scripts', '--pack-destination', to],
    {
      cwd: from,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const [{ name, filename, size, entryCount }] = JSON.parse(output);
  return { name, tarball: join(to, filename), bytes: size, files: entryCount };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const folder = resolve(process.argv[2] ?? join(ROOT, 'dist/packages'));
  for (const { tarball, bytes } of await packAll(folder)) console.log(`${tarball} ${bytes} bytes`);
}
