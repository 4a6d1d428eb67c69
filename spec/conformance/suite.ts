/**
 * What `docs/PROTOCOL.md` promises, as tests that run against any URL: a node, a cluster behind its proxy, another
 * server that speaks the same protocol. One file per theme.
 */
import { batches } from './batches.js';
import { conflating } from './conflating.js';
import { connecting } from './connecting.js';
import { cutShort } from './cut-short.js';
import { delivering } from './delivering.js';
import { eventStreams } from './event-streams.js';
import { history } from './history.js';
import { http } from './http.js';
import { publishing } from './publishing.js';
import { recovering } from './recovering.js';
import { refusing } from './refusing.js';
import { resuming } from './resuming.js';
import { rewinding } from './rewinding.js';
import { sessionCursor } from './session-cursor.js';
import { subscribing } from './subscribing.js';
import { Target, type TargetOptions } from './target.js';

/** Defines the tests. */
export function conformanceSuite(options: TargetOptions): void {
  describe('The protocol', () => {
    const target = new Target(options);
    before('asks for the streams', () => target.discover());

    connecting(target);
    subscribing(target);
    delivering(target);
    conflating(target);
    rewinding(target);
    resuming(target);
    cutShort(target);
    recovering(target);
    sessionCursor(target);
    publishing(target);
    batches(target);
    history(target);
    refusing(target);
    eventStreams(target);
    http(target);
  });
}
