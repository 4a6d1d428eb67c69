/**
 * What a Dockerfile puts together, made in a folder without an engine: each stage is a folder, into which its `COPY`
 * lines are carried out; `npm ci` links the packages that it would install; `npm run build` is run for real. What a
 * spec finds missing there is missing in the image. Other `RUN` lines are left out, so programs of the system are not
 * seen.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, relative } from 'node:path';

interface Step {
  readonly instruction: string;
  readonly rest: string;
}

interface Stage {
  readonly name: string;
  /** The image or the stage that it begins with. */
  readonly from: string;
  readonly steps: readonly Step[];
}

interface LockedPackage {
  readonly dev?: boolean;
  readonly optional?: boolean;
  /** Where a package of a workspace lies. */
  readonly resolved?: string;
  readonly link?: boolean;
}

const WORKDIR = '/app/';

/** The stages of a Dockerfile, in their order. The last one is the image. */
export function readStages(text: string): Stage[] {
  const lines = text
    .replace(/^\s*#.*\n/gm, '')
    .replace(/\\\n/g, ' ')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
  const stages: { name: string; from: string; steps: Step[] }[] = [];
  for (const line of lines) {
    const [, instruction = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    if (instruction === 'FROM') {
      const [from = '', , name = ''] = rest.split(/\s+/);
      stages.push({ from, name, steps: [] });
    } else stages.at(-1)?.steps.push({ instruction, rest });
  }
  return stages;
}

/** `COPY a b c/` as its parts; options other than `--from` are ignored. */
export function readCopy(rest: string): { from: string | undefined; sources: string[]; target: string } {
  const words = rest.split(/\s+/);
  const from = words.find((word) => word.startsWith('--from='))?.slice('--from='.length);
  const paths = words.filter((word) => !word.startsWith('--'));
  return { from, sources: paths.slice(0, -1), target: paths.at(-1) ?? '' };
}

/** What .dockerignore lets into a build, e.g. `isInContext('server/main.ts')`: the last line that fits decides. */
export function contextOf(dockerignore: string): (path: string) => boolean {
  const lines = dockerignore
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'));
  return (path) => {
    let isIn = true;
    for (const line of lines) {
      const pattern = line.replace(/^!/, '');
      if (fits(path, pattern)) isIn = line.startsWith('!');
    }
    return isIn;
  };
}

/** Whether a pattern fits a path or a folder above it. `**` stands for any folders, `*` for part of a name. */
function fits(path: string, pattern: string): boolean {
  const source = pattern
    .split('/')
    .map((part) =>
      part === '**' ? '(?:[^/]+/)*' : `${part.replace(/[.+]/g, '\\$&').replace(/\*/g, '[^/]*')}/`,
    )
    .join('');
  return new RegExp(`^${source}`).test(`${path}/`);
}

/** Carries a Dockerfile out in folders below `dir`. @returns the folder that stands for the last stage's `/app` */
export function makeImageTree(root: string, dockerfile: string, dir: string): string {
  const stages = readStages(readFileSync(join(root, dockerfile), 'utf8'));
  const isInContext = contextOf(readFileSync(join(root, '.dockerignore'), 'utf8'));
  const trees = new Map<string, string>();
  for (const [n, { name, from, steps }] of stages.entries()) {
    const tree = join(dir, name || `stage${n}`);
    mkdirSync(tree);
    trees.set(name, tree);
    const parent = trees.get(from);
    if (parent !== undefined) cpSync(parent, tree, { recursive: true, verbatimSymlinks: true });
    for (const { instruction, rest } of steps) {
      if (instruction === 'COPY') {
        const { from: stage, sources, target } = readCopy(rest);
        const origin = stage === undefined ? root : trees.get(stage);
        if (origin === undefined) throw new Error(`${dockerfile}: there is no stage "${stage}"`);
        for (const source of sources) {
          copy(
            origin,
            source.replace(WORKDIR, ''),
            tree,
            target,
            stage === undefined ? isInContext : undefined,
          );
        }
      }
      if (instruction === 'RUN') run(rest, root, tree);
    }
  }
  return [...trees.values()].at(-1) ?? dir;
}

/** As `COPY` does it: a folder's content goes into the target, a file becomes it or, before a slash, goes into it. */
function copy(
  origin: string,
  source: string,
  tree: string,
  target: string,
  isInContext: ((path: string) => boolean) | undefined,
): void {
  const from = join(origin, source);
  if (!existsSync(from) || isInContext?.(source) === false) {
    throw new Error(
      `COPY ${source}: it is not in the ${isInContext === undefined ? 'stage' : 'context of the build'}`,
    );
  }
  const to = join(tree, target, target.endsWith('/') && statSync(from).isFile() ? basename(source) : '');
  mkdirSync(dirname(to), { recursive: true });
  cpSync(from, to, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => isInContext?.(relative(origin, path)) ?? true,
  });
}

function run(command: string, root: string, tree: string): void {
  const install = /npm ci\b[^&|]*/.exec(command)?.[0];
  if (install !== undefined) {
    const omitted = [...install.matchAll(/--omit[= ](\w+)/g)].map(([, kind]) => kind!);
    linkPackages(root, tree, omitted);
  }
  const script = /npm run [^&|]*/.exec(command)?.[0].trim();
  if (script !== undefined) execFileSync('npm', script.split(/\s+/).slice(1), { cwd: tree, stdio: 'pipe' });
}

/** Puts into a folder what `npm ci` would install there, as links to what is installed here. */
function linkPackages(root: string, tree: string, omitted: readonly string[]): void {
  const { packages } = JSON.parse(readFileSync(join(tree, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockedPackage>;
  };
  for (const [path, { dev, optional, link, resolved = '' }] of Object.entries(packages)) {
    const isNested = path.lastIndexOf('node_modules/') > 0;
    if (!path.startsWith('node_modules/') || isNested) continue;
    if ((dev && omitted.includes('dev')) || (optional && omitted.includes('optional'))) continue;
    const installed = join(root, path);
    // Some are for other systems.
    if (link !== true && !existsSync(installed)) continue;
    mkdirSync(dirname(join(tree, path)), { recursive: true });
    symlinkSync(link === true ? relative(dirname(path), resolved) : installed, join(tree, path));
  }
  const programs = join(root, 'node_modules/.bin');
  if (!omitted.includes('dev')) symlinkSync(programs, join(tree, 'node_modules/.bin'));
}
