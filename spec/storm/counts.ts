/** What the accounts of all subscribers have counted. */
export interface AccountCounts {
  deliveries: number;
  recoveries: number;
  notRecovered: Map<string, number>;
  gaps: number;
  /** Connections that were told that they are slow. */
  slow: number;
  messagesInGaps: number;
  conflated: number;
  connections: number;
}

export function newCounts(): AccountCounts {
  return {
    deliveries: 0,
    recoveries: 0,
    notRecovered: new Map(),
    gaps: 0,
    slow: 0,
    messagesInGaps: 0,
    conflated: 0,
    connections: 0,
  };
}
