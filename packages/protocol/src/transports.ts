/** The transports, by the names under which nodes report and operators see them. */
export const TRANSPORTS = ['socketio', 'websocket', 'sse'] as const;
export type TransportName = (typeof TRANSPORTS)[number];
