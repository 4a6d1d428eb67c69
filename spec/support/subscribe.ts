import type { TestClient, TestClientOptions, TestSubscription, TransportName } from './client.js';
import { subscribeSocketIo } from './socketio-client.js';
import { subscribeSse } from './sse-client.js';
import { WebSocketTestClient } from './websocket-client.js';

/** Connects and subscribes over a transport. @throws Error where the hub refuses it. */
export function subscribeOver(
  transport: TransportName,
  options: TestClientOptions,
  subscription: TestSubscription,
): Promise<TestClient> {
  switch (transport) {
    case 'socketio':
      return subscribeSocketIo(options, subscription);
    case 'websocket':
      return WebSocketTestClient.subscribe(options, subscription);
    case 'sse':
      return subscribeSse(options, subscription);
  }
}
