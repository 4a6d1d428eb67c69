import { pathToFileURL } from 'node:url';

/** Whether a module is the program that was started, rather than imported by another bench. If so, it needs Linux. */
export function isMain(moduleUrl: string): boolean {
  if (moduleUrl !== pathToFileURL(process.argv[1] ?? '').href) return false;
  needLinux();
  return true;
}

/** Exits with 2 and one line of explanation unless the system is Linux. */
export function needLinux(): void {
  if (process.platform === 'linux') return;
  process.stderr.write(
    `This program needs Linux (here: ${process.platform}): it reads /proc, and its clients use addresses of 127.0.0.0/8.\n`,
  );
  process.exit(2);
}

/** A whole-number option such as `--rounds 5`. @throws Error if it is not such a number. */
export function option(name: string, fallback: number, args: readonly string[] = process.argv): number {
  const at = args.indexOf(`--${name}`);
  if (at < 0) return fallback;
  const value = Number(args[at + 1]);
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a whole number from 1`);
  return value;
}
