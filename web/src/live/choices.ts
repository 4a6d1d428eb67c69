/** The settings of connections: chosen in the connection panel and stored in the browser. */

import type { DemoStreams, Transport } from '@axiom-streaming/client';
import { connect } from '@axiom-streaming/client';
import { signal } from '@preact/signals';
import type { Hub } from './connection.js';

const TRANSPORT_KEY = 'axiom-transport';
const TOKEN_KEY = 'axiom-token';

/** The settings of a connection; changed in the connection panel. */
export const wanted = {
  transport: signal<'auto' | Transport>(storedTransport()),
  token: signal(sessionStorage.getItem(TOKEN_KEY) ?? ''),
};

function storedTransport(): 'auto' | Transport {
  const stored = localStorage.getItem(TRANSPORT_KEY);
  return stored === 'socketio' || stored === 'websocket' || stored === 'sse' ? stored : 'auto';
}

/** A client for the page or one of its parts, with the token that was entered. It ends where that is refused. */
export function connectHub(transport: 'auto' | Transport = wanted.transport.value): Hub {
  const token = wanted.token.value;
  return connect<DemoStreams>({
    // The URL of the page itself: a proxy may serve it below a path.
    url: new URL('.', document.baseURI).href,
    transport,
    // Not a function: it would be asked for another token, which the page does not have, and try the same one forever.
    ...(token === '' ? {} : { token }),
    maxBackoffMs: 4_000,
  });
}

/** Stores the choices for the next load of the page; a token only for this tab. */
export function remember(transport: 'auto' | Transport, token: string): void {
  wanted.transport.value = transport;
  wanted.token.value = token;
  localStorage.setItem(TRANSPORT_KEY, transport);
  if (token === '') sessionStorage.removeItem(TOKEN_KEY);
  else sessionStorage.setItem(TOKEN_KEY, token);
}
