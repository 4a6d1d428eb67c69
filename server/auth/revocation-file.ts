/**
 * The revocations and bans of a single node, which has no Redis: in memory, and in a file if there is to be one, so that
 * a token that was revoked stays so over a restart.
 */
import { constants } from 'node:fs';
import { access, open, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { HubError } from '../errors.js';
import { type Listed, MAX_REVOCATIONS } from './listed.js';
import type { RevocationStore } from './revocations.js';

const value = z.string().min(1);
const moment = z.number().int();
const fileContent = z.strictObject({
  version: z.literal(1),
  listed: z
    .array(
      z.union([
        z.strictObject({ kind: z.enum(['jti', 'sub']), value, at: moment, expiresAt: moment }),
        z.strictObject({
          kind: z.enum(['banned_sub', 'banned_address']),
          value,
          at: moment,
          until: moment,
          expiresAt: moment,
        }),
      ]),
    )
    .max(2 * MAX_REVOCATIONS),
});

/** Readable by the node's own user alone: it names subjects. */
const MODE = 0o600;

export class LocalRevocationStore implements RevocationStore {
  readonly #file: string | undefined;
  /** By their text, in which two equal ones are one. */
  #listed = new Map<string, Listed>();
  /** Of the file as this node knows it, to notice another node that uses the same one. */
  #modified: number | undefined;
  /** The write in progress; one begins when the one before has ended. */
  #writing: Promise<unknown> = Promise.resolve();

  /** @param file undefined: they are forgotten when the node stops */
  constructor(file: string | undefined) {
    this.#file = file;
  }

  add(listed: Listed, needless: readonly Listed[]): Promise<void> {
    const added = this.#writing.then(() => this.#add(listed, needless));
    this.#writing = added.catch(() => undefined);
    return added;
  }

  /** @throws Error if the file cannot be read, or is not one of revocations. */
  async changes(): Promise<readonly Listed[] | undefined> {
    if (this.#file === undefined) return undefined;
    await this.#writing;
    return (await this.#read(this.#file)) ? [...this.#listed.values()] : undefined;
  }

  async #add(listed: Listed, needless: readonly Listed[]): Promise<void> {
    const before = this.#listed;
    try {
      if (this.#file !== undefined) await this.#read(this.#file);
      const now = Date.now();
      const next = new Map([...this.#listed].filter(([, { expiresAt }]) => expiresAt > now));
      for (const one of needless) next.delete(JSON.stringify(one));
      next.set(JSON.stringify(listed), listed);
      if (next.size > MAX_REVOCATIONS) {
        throw new HubError('overloaded', `there are ${MAX_REVOCATIONS} revocations in force already`);
      }
      if (this.#file !== undefined) await this.#write(this.#file, [...next.values()]);
      this.#listed = next;
    } catch (error) {
      this.#listed = before;
      if (error instanceof HubError) throw error;
      throw new HubError('log_unavailable', `REVOCATIONS_FILE cannot be written: ${reasonOf(error)}`, {
        cause: error,
      });
    }
  }

  /** Takes over what the file has, if it is not as this node left it. @returns whether it did */
  async #read(file: string): Promise<boolean> {
    const modified = await stat(file).then(
      ({ mtimeMs }) => mtimeMs,
      (error: unknown) => {
        if (isMissing(error)) return undefined;
        throw error;
      },
    );
    if (modified === undefined || modified === this.#modified) return false;
    for (const listed of parse(file, await readFile(file, 'utf8'))) {
      this.#listed.set(JSON.stringify(listed), listed);
    }
    this.#modified = modified;
    return true;
  }

  /** Either the old file or the new one is there, whatever happens meanwhile. */
  async #write(file: string, listed: readonly Listed[]): Promise<void> {
    const next = `${file}.${process.pid}.new`;
    try {
      const handle = await open(next, 'w', MODE);
      try {
        await handle.writeFile(`${JSON.stringify({ version: 1, listed })}\n`);
        await handle.sync();
        this.#modified = (await handle.stat()).mtimeMs;
      } finally {
        await handle.close();
      }
      await rename(next, file);
    } catch (error) {
      await rm(next, { force: true });
      throw error;
    }
  }
}

/**
 * Whether the list can be kept in a file. It is created with its first entry.
 *
 * @returns why not; undefined if it can
 * @throws Error if there is such a file and it cannot be read: what it has must not be ignored
 */
export async function whyNotKept(file: string): Promise<string | undefined> {
  try {
    parse(file, await readFile(file, 'utf8'));
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
  return access(dirname(file), constants.W_OK | constants.X_OK).then(() => undefined, reasonOf);
}

function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '');
}

/** @throws Error that names the file */
function parse(file: string, text: string): readonly Listed[] {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw new Error(`${file} is not JSON: ${reasonOf(error)}`, { cause: error });
  }
  const result = fileContent.safeParse(content);
  if (result.success) return result.data.listed;
  const [issue] = result.error.issues;
  throw new Error(`${[file, ...(issue?.path ?? [])].join(' › ')}: ${issue?.message}`);
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
