import { readFileSync } from 'node:fs';

/** `package.json`, two folders above the compiled file. */
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
};

/** The version of this package. */
export const VERSION: string = manifest.version;

/** The packages that are installed only by those who need them, with the versions that this one was tried with. */
export const OPTIONAL_PACKAGES = manifest.peerDependencies;
