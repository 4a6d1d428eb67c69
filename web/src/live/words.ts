/** Phrases for the words of the protocol. A word without one is shown unchanged. */
import type { Transport } from '@axiom-streaming/client';

const REASONS: Readonly<Record<string, string>> = {
  ahead: 'this page was ahead of the log',
  bad_cursor: 'the hub did not know the position',
  conflated: 'only the newest values were sent again',
  denied: 'the token does not allow it any more',
  epoch_changed: 'the log began a new epoch',
  limit: 'more was missed than is sent again',
  log_unavailable: 'the stream log is unreachable',
  no_position: 'no position was known',
  reader_slow: 'this page read too slowly',
  slow: 'this connection read too slowly',
  trimmed: 'the log no longer holds them',
  unannounced: 'the hub did not say why',
};

const SOURCES: Readonly<Record<string, string>> = {
  derived: 'computed from the replayed prices',
  measured: 'measured on the nodes themselves',
  replay: 'past prices played back, nothing live',
  sample: 'invented examples',
};

const TRANSPORTS: Readonly<Record<Transport, string>> = {
  socketio: 'Socket.IO',
  websocket: 'WebSocket',
  sse: 'SSE',
};

export function reasonText(reason: string | undefined): string {
  return reason === undefined ? 'no reason given' : (REASONS[reason] ?? reason);
}

export function sourceText(source: string | undefined): string {
  if (source === undefined) return 'not labelled by its publisher';
  const meaning = SOURCES[source];
  return meaning === undefined ? source : `${source}: ${meaning}`;
}

export function transportText(transport: Transport | undefined): string {
  return transport === undefined ? 'no transport' : TRANSPORTS[transport];
}
