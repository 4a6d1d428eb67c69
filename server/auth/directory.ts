/** The connections of the whole cluster, for operators. */
import type { ClientConnections } from './client-connections.js';
import type { ConnectionInfo } from './connection-info.js';

/** The answer to an operator's request for connections. */
export interface ConnectionList {
  readonly connections: readonly ConnectionInfo[];
  /** Whether there are more than were asked for. */
  readonly more: boolean;
  /** Nodes that did not answer in time; their connections are missing from the list. */
  readonly silent: readonly string[];
}

/** A question that one node asks the others. */
export type Question =
  | { readonly ask: 'list'; readonly most: number }
  | { readonly ask: 'find'; readonly id: string }
  | { readonly ask: 'cut'; readonly id: string };

/** A node's answer: those of its connections that match the question. */
export type Answer = readonly ConnectionInfo[];

/** Asks the other nodes. */
export interface Peers {
  /** @returns the answers that arrived in time, and the nodes that did not answer. */
  ask(question: Question): Promise<{ answers: readonly Answer[]; silent: readonly string[] }>;
}

/** Answers a question about this node's connections. */
export function answerFor(connections: ClientConnections, question: Question): Answer {
  switch (question.ask) {
    case 'list':
      return connections.list(question.most + 1);
    case 'find':
      return connections.find(question.id);
    case 'cut': {
      const found = connections.find(question.id);
      connections.cut(question.id);
      return found;
    }
  }
}

export class ConnectionDirectory {
  readonly #connections: ClientConnections;
  readonly #peers: Peers | undefined;

  /** @param peers undefined for a single node */
  constructor(connections: ClientConnections, peers: Peers | undefined) {
    this.#connections = connections;
    this.#peers = peers;
  }

  async list(most: number): Promise<ConnectionList> {
    const { found, silent } = await this.#everywhere({ ask: 'list', most });
    return { connections: found.slice(0, most), more: found.length > most, silent };
  }

  async find(id: string): Promise<ConnectionInfo | undefined> {
    return (await this.#everywhere({ ask: 'find', id })).found[0];
  }

  /** Ends a connection. @returns whether it existed. */
  async cut(id: string): Promise<boolean> {
    return (await this.#everywhere({ ask: 'cut', id })).found.length > 0;
  }

  async #everywhere(question: Question): Promise<{ found: ConnectionInfo[]; silent: readonly string[] }> {
    const own = answerFor(this.#connections, question);
    if (this.#peers === undefined) return { found: [...own], silent: [] };
    const { answers, silent } = await this.#peers.ask(question);
    return { found: [own, ...answers].flat(), silent };
  }
}
