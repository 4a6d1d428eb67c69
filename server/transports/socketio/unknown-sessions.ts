/**
 * Requests of Engine.IO sessions that are not on this node. A proxy that spreads the requests of a client over the
 * nodes causes them all the time, and Engine.IO's own answer, "Session ID unknown", has cost many people a day. A
 * client whose node has gone, or that was away for too long, causes one now and then.
 */
import type { ServerResponse } from 'node:http';
import { HubError } from '../../errors.js';
import type { Logger } from '../../logger.js';
import { systemClock } from '../../time/clock.js';

/** Engine.IO's number for it, which client libraries know. */
const UNKNOWN_SID = 1;
export const UNKNOWN_SESSION = new HubError(
  'bad_request',
  'Session ID unknown: it is not on this node. All requests of one session must reach one node (docs/PROXIES.md).',
  { field: 'sid' },
);
/** One line of the log in this time, and only where there were more than a client or two would cause. */
const WINDOW_MS = 60_000;
const WORTH_A_LINE = 5;

export interface UnknownSessionsOptions {
  /** Whether a session is on this node. */
  readonly isKnown: (sid: string) => boolean;
  readonly logger: Logger;
  /** ms. Default: the process's clock. */
  readonly now?: () => number;
}

export class UnknownSessions {
  readonly #options: UnknownSessionsOptions;
  readonly #now: () => number;
  #windowEnds = 0;
  #inWindow = 0;

  constructor(options: UnknownSessionsOptions) {
    this.#options = options;
    this.#now = options.now ?? systemClock.now;
  }

  /** Whether a request names a session that is not here. Counts it, and logs a line for many. */
  has(sid: string | undefined): boolean {
    if (sid === undefined || sid === '' || this.#options.isKnown(sid)) return false;
    const now = this.#now();
    if (now >= this.#windowEnds) {
      this.#windowEnds = now + WINDOW_MS;
      this.#inWindow = 0;
    }
    this.#inWindow += 1;
    if (this.#inWindow === WORTH_A_LINE) {
      this.#options.logger.warn(
        { requests: WORTH_A_LINE },
        'socketio: requests come for sessions that are not on this node; where this goes on, the proxy spreads the requests of one client over the nodes (docs/PROXIES.md)',
      );
    }
    return true;
  }
}

/** Answers a polling request of an unknown session as Engine.IO would, in words that help. */
export function sendUnknownSession(response: ServerResponse): void {
  response
    .writeHead(400, { 'Content-Type': 'application/json' })
    .end(JSON.stringify({ code: UNKNOWN_SID, message: UNKNOWN_SESSION.message }));
}
