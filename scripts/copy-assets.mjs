// Part of `npm run build:server`: copies the files that the compiled server reads (Redis scripts, PostgreSQL
// migrations, figures of the demo) from server/ to the same place in dist/server/. In Node.js, so that it runs on every
// system.
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { extname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const KINDS = ['.lua', '.sql', '.csv', '.txt'];

/** Paths of the assets below a folder, relative to it. */
const assetsIn = (folder) =>
  readdirSync(folder, { recursive: true }).filter((file) => KINDS.includes(extname(file)));

const from = join(ROOT, 'server');
const to = join(ROOT, 'dist', 'server');
// Otherwise a renamed migration would be applied under both names.
for (const stale of assetsIn(to)) rmSync(join(to, stale));
for (const asset of assetsIn(from)) cpSync(join(from, asset), join(to, asset));
