import { readFileSync } from 'node:fs';

/** `package.json`, two folders above the compiled file. */
const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  readonly version: string;
  readonly peerDependencies: Readonly<Record<string, string>>;
};

/** The version of this package. */
export const VERSION: string = manifest.version;

/** The optional packages, with the versions that this package was tested with. */
export const OPTIONAL_PACKAGES = manifest.peerDependencies;
