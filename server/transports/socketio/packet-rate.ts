import type { EngineConnection } from './engine-connection.js';

/**
 * Counts the packets of connections. Operations have limits of their own; acknowledgements that nobody asked for, pongs and
 * CONNECTs to namespaces that do not exist have none, and each takes its time.
 */
export class PacketRate {
  readonly #most: number;
  readonly #counted = new WeakMap<EngineConnection, { second: number; packets: number }>();

  private constructor(most: number) {
    this.#most = most;
  }

  /** @param limits of the operations that a connection may ask for; twice as many packets are never met by those */
  static of(limits: { readonly requestsPerSecond: number; readonly publishesPerSecond: number }): PacketRate {
    return new PacketRate(2 * (limits.requestsPerSecond + limits.publishesPerSecond));
  }

  /** Counts a packet. @returns whether it is one too many */
  isOver(connection: EngineConnection): boolean {
    const second = Math.floor(performance.now() / 1000);
    const counted = this.#counted.get(connection);
    if (counted === undefined) {
      this.#counted.set(connection, { second, packets: 1 });
      return false;
    }
    if (counted.second !== second) {
      counted.second = second;
      counted.packets = 0;
    }
    counted.packets += 1;
    return counted.packets > this.#most;
  }
}
