/** Words of the protocol as sentences. One that is not here is shown as it is. */
const REASONS: Readonly<Record<string, string>> = {
  ahead: 'this page was ahead of the log',
  conflated: 'only the newest values were asked for',
  epoch_changed: 'the log began a new life',
  limit: 'more was missed than is replayed',
  log_unavailable: 'the stream log is out of reach',
  not_replayed: 'the session could not be resumed, and only the newest were read again',
  no_position: 'no position was known',
  session_expired: 'the session had expired',
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

export function reasonText(reason: string | undefined): string {
  return reason === undefined ? 'no reason given' : (REASONS[reason] ?? reason);
}

export function sourceText(source: string | undefined): string {
  if (source === undefined) return 'not labelled by its publisher';
  return SOURCES[source] ?? '';
}
