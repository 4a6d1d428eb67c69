import type { ClientName, TestClient, TestClientOptions, TestSocket, TestSubscription } from './client.js';
import { connectSocketIo, subscribeSocketIo } from './socketio-client.js';
import { subscribeSse } from './sse-client.js';
import { WebSocketTestClient } from './websocket-client.js';

/** Connects and subscribes over a transport. @throws Error where the hub refuses it. */
export function subscribeOver(
  client: ClientName,
  options: TestClientOptions,
  subscription: TestSubscription,
): Promise<TestClient> {
  switch (client) {
    case 'socketio':
    case 'msgpack':
      return subscribeSocketIo({ ...options, msgpack: client === 'msgpack' }, subscription);
    case 'websocket':
      return WebSocketTestClient.subscribe(options, subscription);
    case 'sse':
      return subscribeSse(options, subscription);
  }
}

/** Connects without subscribing. @throws Error where the hub refuses it. */
export function connectOver(
  client: Exclude<ClientName, 'sse'>,
  options: TestClientOptions,
): Promise<TestSocket> {
  return client === 'websocket'
    ? WebSocketTestClient.connect(options)
    : connectSocketIo({ ...options, msgpack: client === 'msgpack' });
}
