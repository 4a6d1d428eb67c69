/** The tokens of a client: which one is in use, and when another is asked for. */
import type { TokenSource } from './types.js';

const SHORTEST_PAUSE_MS = 1_000;

interface Renewal {
  timer?: ReturnType<typeof setTimeout>;
}

export class Tokens {
  readonly #source: TokenSource | undefined;
  /** The one that the connection uses. */
  used: string | undefined;
  /** The one for the next connection, if it has been asked for already. */
  next: string | undefined;
  /** Set while another is being asked for in time; its pause before the next question. */
  #renewal: Renewal | undefined;

  constructor(source: TokenSource | undefined) {
    this.#source = source;
  }

  /** Whether another one can be asked for. */
  get renews(): boolean {
    return typeof this.#source === 'function';
  }

  /** One for a new connection, which uses it from now on. */
  async take(): Promise<string | undefined> {
    const { next } = this;
    this.next = undefined;
    this.used = next ?? (await this.#ask());
    return this.used;
  }

  /** One other than that in use; undefined if the source has no other now, or fails. */
  async another(): Promise<string | undefined> {
    const token = await this.#ask().catch(() => undefined);
    return token === this.used ? undefined : token;
  }

  /**
   * Asks for one other than that in use, because that ends: at once, and where there is none yet, after a pause of a
   * quarter of its time and then of half of it. Nothing more happens if it is asking already: with SSE each stream of a
   * connection is told of the end.
   *
   * @param endsInMs when the one in use ends
   */
  renew(endsInMs: number, give: (token: string) => void): void {
    if (this.#renewal || !this.renews) return;
    const renewal: Renewal = {};
    this.#renewal = renewal;
    const ask = async (pauseMs: number) => {
      const token = await this.another();
      if (renewal !== this.#renewal) return;
      if (token === undefined) renewal.timer = setTimeout(ask, pauseMs, pauseMs * 2);
      else {
        this.stop();
        give(token);
      }
    };
    void ask(Math.max(SHORTEST_PAUSE_MS, endsInMs / 4));
  }

  /** The connection is gone, or has another one. */
  stop(): void {
    clearTimeout(this.#renewal?.timer);
    this.#renewal = undefined;
  }

  async #ask(): Promise<string | undefined> {
    return typeof this.#source === 'function' ? this.#source() : this.#source;
  }
}
