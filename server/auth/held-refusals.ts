/** Refusals of clients that keep asking are held back: answering them at once would take time from the others. */

/** Refusals that are sent to a client immediately; later ones are held. */
const PROMPT_REFUSALS = 20;
/** Refusals that may be held at a time; beyond this, refusals are immediate. */
const MAX_HELD = 1_000;

export class HeldRefusals {
  #held = 0;

  /**
   * Refuses at once or after a time.
   *
   * @param count refusals of this client since it was last let through, this one included
   * @param ms until when a refusal may be held
   * @param refusal makes the error, given how long the client must wait after it arrives, ms
   * @throws what `refusal` makes, at once or later
   */
  refuse(count: number, ms: number, refusal: (leftMs: number) => Error): Promise<never> {
    if (count <= PROMPT_REFUSALS || this.#held >= MAX_HELD) throw refusal(ms);
    this.#held += 1;
    return new Promise((_, reject) => {
      setTimeout(() => {
        this.#held -= 1;
        reject(refusal(0));
      }, ms).unref();
    });
  }
}
