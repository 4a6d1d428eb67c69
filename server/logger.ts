import { destination, pino } from 'pino';

/** The logger's shape, so that only this file knows which library writes the lines. */
export interface Logger {
  debug(fields: object | string, message?: string): void;
  info(fields: object | string, message?: string): void;
  warn(fields: object | string, message?: string): void;
  error(fields: object | string, message?: string): void;
}

/** What must not appear in a log, wherever it comes from: tokens, keys, and the passwords of URLs. */
const CREDENTIALS =
  /\beyJ[\w-]{5,}\.[\w-]+\.[\w-]*|\baxk_[\w-]{20,}|(?<=\bBearer )[^\s"\\]+|(?<=:\/\/[^\s"/@]*:)[^\s"/@]+(?=@)/g;
const REDACTED = '[redacted]';

/**
 * Writes JSON lines to standard error; standard output is for people.
 *
 * @param secrets configured values that must not appear, not even in the text of an error
 */
export function createLogger(level: string, node: string, secrets: readonly string[] = []): Logger {
  const known = secrets
    .filter((secret) => secret !== '')
    .map((secret) => JSON.stringify(secret).slice(1, -1));
  const streamWrite = (line: string) =>
    known.reduce((text, secret) => text.replaceAll(secret, REDACTED), line.replace(CREDENTIALS, REDACTED));
  return pino({ level, base: { node }, hooks: { streamWrite } }, destination({ fd: 2, sync: true }));
}

/** Drops everything: for specs, and for programs whose output is for people. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
