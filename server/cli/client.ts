/** The client library, as commands use it. */

import type { Transport } from '@axiom-streaming/client';
import { connect, type HubClient } from '@axiom-streaming/client';
import { CliError, EXIT } from './exit-codes.js';
import type { GlobalOptions } from './output.js';

/** A command that reaches nothing in this time gives up; one that was connected goes on trying. */
const CONNECT_WITHIN_MS = 10_000;

/** Connects, and waits until it is. @throws CliError where it comes to nothing. */
export async function openClient(
  { url, token }: GlobalOptions,
  transport: 'auto' | Transport,
): Promise<HubClient> {
  const client = connect({ url, transport, ...(token === undefined ? {} : { token }), maxBackoffMs: 2_000 });
  await new Promise<void>((resolve, reject) => {
    const give = setTimeout(() => end(), CONNECT_WITHIN_MS);
    const end = () => {
      clearTimeout(give);
      const { error } = client.status;
      client.close();
      const refused = error !== undefined && !/^(unreachable|timeout)$/.test(error.code);
      reject(
        refused
          ? new CliError(error.code, `${error.code}: ${error.message}`)
          : new CliError(
              'unreachable',
              `${url} was not reached: ${error?.message ?? 'no answer'}`,
              EXIT.unreachable,
            ),
      );
    };
    const off = client.on('status', ({ state, attempt }) => {
      if (state === 'connected') {
        clearTimeout(give);
        off();
        resolve();
      } else if (state === 'closed' || attempt > 4) {
        off();
        end();
      }
    });
  });
  return client;
}

/** Ctrl-C and a polite kill, as a promise. */
export function interrupted(): Promise<'interrupted'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'));
  });
}
