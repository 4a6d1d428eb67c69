import { pathToFileURL } from 'node:url';

/** Whether a module is the program that was started, and not imported by another bench. */
export function isMain(moduleUrl: string): boolean {
  return moduleUrl === pathToFileURL(process.argv[1] ?? '').href;
}

/** A whole-number option such as `--rounds 5`. @throws Error where it is no such number. */
export function option(name: string, fallback: number, args: readonly string[] = process.argv): number {
  const at = args.indexOf(`--${name}`);
  if (at < 0) return fallback;
  const value = Number(args[at + 1]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} wants a whole number from 1`);
  return value;
}
