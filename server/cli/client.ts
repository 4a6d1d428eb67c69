/** How commands use the client library. */

import type { Transport } from '@axiom-streaming/client';
import { connect, type HubClient } from '@axiom-streaming/client';
import { CliError, EXIT } from './exit-codes.js';
import type { GlobalOptions } from './output.js';

/** A command that cannot connect within this time gives up; once connected, it keeps reconnecting. */
const CONNECT_WITHIN_MS = 10_000;

/** Connects, and resolves when connected. @throws CliError if that fails. */
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
          ? new CliError(error.code, `refused (${error.code}): ${error.message}`)
          : new CliError(
              'unreachable',
              `${url} could not be reached: ${error?.message.replace(`${url}: `, '') ?? 'no answer'}`,
              EXIT.unreachable,
            ),
      );
    };
    const off = client.on('status', ({ state, attempt }) => {
      if (state === 'connected') {
        clearTimeout(give);
        off();
        resolve();
      } else if (state === 'closed' || state === 'refused' || attempt > 4) {
        off();
        end();
      }
    });
  });
  return client;
}

/** Resolves on Ctrl-C (SIGINT) or SIGTERM. */
export function interrupted(): Promise<'interrupted'> {
  return new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve('interrupted'));
  });
}
