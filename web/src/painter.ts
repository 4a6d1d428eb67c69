/** A part of the page that can bring its elements up to date. */
export interface Paintable {
  paint(): void;
}

/** Nobody reads numbers that change faster. */
const MIN_INTERVAL_MS = 100;

/** Paints what asked for it, each once, in one animation frame. A hidden page asks and is not painted. */
export class Painter {
  readonly #waiting = new Set<Paintable>();
  #scheduled = false;
  #paintedAt = Number.NEGATIVE_INFINITY;

  request(part: Paintable): void {
    this.#waiting.add(part);
    if (this.#scheduled) return;
    this.#scheduled = true;
    const waitMs = this.#paintedAt + MIN_INTERVAL_MS - performance.now();
    if (waitMs <= 0) requestAnimationFrame(() => this.#paint());
    else setTimeout(() => requestAnimationFrame(() => this.#paint()), waitMs);
  }

  #paint(): void {
    this.#scheduled = false;
    this.#paintedAt = performance.now();
    const parts = [...this.#waiting];
    this.#waiting.clear();
    for (const part of parts) part.paint();
  }
}
