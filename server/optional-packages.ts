/**
 * Packages that are installed by those who want what needs them: database drivers, tracing, the Model Context Protocol.
 * They are optional peers in `package.json`. Whoever uses one loads the module that imports it here, when it is asked
 * for, so that a hub without them starts, and is smaller and faster to start.
 */
import { OPTIONAL_PACKAGES } from './manifest.js';

/**
 * Loads a module that imports optional packages.
 *
 * @param asker what asks for it, as its user knows it: `ARCHIVE_URL`, `The connector "outbox"`
 * @param names the optional packages that the module imports
 * @throws Error that says what to install, where one of them is not there
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
