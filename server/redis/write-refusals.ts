import type { ErrorReply } from '@redis/client';
import { HubError } from '../errors.js';
import { keyOf } from './slots.js';

/** Why Redis refuses writes while it goes on to answer reads: no memory is left, or its set-up forbids them for now. */
type WriteRefusal = (typeof CAUSES)[number];
const CAUSES = ['redis_full', 'redis_read_only'] as const;

/** Replies that mean: the command was not executed, and may succeed later. */
const AWAY = new Set([
  'READONLY',
  'LOADING',
  'MASTERDOWN',
  'CLUSTERDOWN',
  'TRYAGAIN',
  'NOREPLICAS',
  'OOM',
  'MISCONF',
]);
/** Those of them that only writes get, and reads do not. */
const WRITES_ONLY: ReadonlyMap<string, WriteRefusal> = new Map([
  ['OOM', 'redis_full'],
  ['MISCONF', 'redis_read_only'],
  ['NOREPLICAS', 'redis_read_only'],
]);

/** The kind of an error reply: its first word or, before Redis 7, the one that a script has passed on. */
export function kindOf({ message }: ErrorReply): string {
  return /^ERR\b.*?[ :]-([A-Z]+) /.exec(message)?.[1] ?? message.split(' ')[0]!;
}

/** The error for the user, if the server cannot serve this command at the moment; undefined: the command is wrong. */
export function passingRefusal(kind: string, cause: unknown): HubError | undefined {
  if (!AWAY.has(kind)) return undefined;
  if (kind === 'OOM') return new HubError('storage_full', 'Redis is full: nothing was stored', { cause });
  const what = WRITES_ONLY.has(kind) ? 'writes' : 'commands';
  return new HubError('log_unavailable', `Redis accepts no ${what} at the moment (${kind})`, { cause });
}

/**
 * Whether Redis refuses writes: since one was refused, and until a small one is taken again. While it does, nodes go on
 * to read, and say so in their health.
 */
export class WriteRefusals {
  #refused: { readonly why: WriteRefusal; readonly probe: string } | undefined;

  /** Undefined: as far as is known, writes are taken. */
  get why(): WriteRefusal | undefined {
    return this.#refused?.why;
  }

  /** Each cause, and whether it is the present one. */
  get causes(): readonly (readonly [cause: WriteRefusal, present: boolean])[] {
    return CAUSES.map((cause) => [cause, cause === this.why]);
  }

  /** A command was refused. */
  note(kind: string, args: readonly string[]): void {
    const why = WRITES_ONLY.get(kind);
    if (why === undefined) return;
    // On the master that has refused: a key with the same tag.
    const [tag = '{axiom}'] = /^\{[^}]*\}/.exec(keyOf(args) ?? '') ?? [];
    this.#refused = { why, probe: `${tag}:probe` };
  }

  /** Tries a small write, if the last one was refused. @param send rejects with what {@link note} was told of before */
  async probe(send: (args: string[]) => Promise<unknown>): Promise<void> {
    const refused = this.#refused;
    if (refused === undefined) return;
    try {
      await send(['SET', refused.probe, '1', 'PX', '1000']);
    } catch (error) {
      // It is still refused, or Redis is away. Any other error means that it would be served.
      if (error instanceof HubError) return;
    }
    if (this.#refused === refused) this.#refused = undefined;
  }
}
