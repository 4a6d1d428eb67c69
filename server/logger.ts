import { destination, pino } from 'pino';

/** The logger's shape, so that only this file knows which library writes the lines. */
export interface Logger {
  debug(fields: object | string, message?: string): void;
  info(fields: object | string, message?: string): void;
  warn(fields: object | string, message?: string): void;
  error(fields: object | string, message?: string): void;
}

/** Writes JSON lines to standard error; standard output is for people. */
export function createLogger(level: string, node: string): Logger {
  return pino({ level, base: { node } }, destination({ fd: 2, sync: true }));
}

/** Drops everything: for specs and for programs that print for people. */
export const silentLogger: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
