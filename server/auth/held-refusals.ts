/** Refusals of clients that keep asking are held back: answering them at once would take time from the others. */

/** Refusals that are sent to a client immediately; later ones are held. */
const PROMPT_REFUSALS = 20;

export class HeldRefusals {
  readonly #max: number;
  #held = 0;

  /** @param max refusals that may be held at a time; beyond this, refusals are immediate */
  constructor(max: number) {
    this.#max = max;
  }

  /**
   * Refuses at once or after a time.
   *
   * @param count refusals of this client within a second, this one included
   * @param ms until when a refusal may be held
   * @param refusal makes the error, given how long the client must wait after it arrives, ms
   * @throws what `refusal` makes, at once or later
   */
  refuse(count: number, ms: number, refusal: (leftMs: number) => Error): Promise<never> {
    if (count <= PROMPT_REFUSALS || this.#held >= this.#max) throw refusal(ms);
    this.#held += 1;
    return new Promise((_, reject) => {
      setTimeout(() => {
        this.#held -= 1;
        reject(refusal(0));
      }, ms).unref();
    });
  }
}
