/**
 * Loads optional packages: database drivers, tracing, the Model Context Protocol. They are optional peers in
 * `package.json`. Modules that import one are loaded here on demand, so that a hub starts without them, and is smaller
 * and starts faster.
 */
import { OPTIONAL_PACKAGES } from './manifest.js';

/**
 * Loads a module that imports optional packages.
 *
 * @param asker what needs it, in the user's terms: `ARCHIVE_URL`, `The connector "outbox"`
 * @param names the optional packages that the module imports
 * @throws Error that says what to install, if one of them is missing
 */
export async function loadOptional<Module>(
  asker: string,
  names: readonly string[],
  load: () => Promise<Module>,
): Promise<Module> {
  try {
    return await load();
  } catch (error) {
    if (!names.some((name) => isMissing(error, name))) throw error;
    const what = names.length === 1 ? `package ${names[0]}` : `packages ${names.join(', ')}`;
    const wanted = names.map((name) => `${name}@${OPTIONAL_PACKAGES[name]?.replace('^', '')}`).join(' ');
    throw new Error(`${asker} needs the ${what}: npm install ${wanted}`, { cause: error });
  }
}

/** Whether an import failed because a package is not installed; what that package itself misses is another error. */
function isMissing(error: unknown, name: string): boolean {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ERR_MODULE_NOT_FOUND' && message.includes(`Cannot find package '${name}'`);
}
