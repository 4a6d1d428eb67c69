const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 96;
const HEIGHT = 24;
const INSET = 2;

/** A small line of the last values. It repeats what the numbers beside it say, and is hidden from screen readers. */
export class Sparkline {
  readonly svg = document.createElementNS(SVG, 'svg');
  readonly #line = document.createElementNS(SVG, 'polyline');

  constructor() {
    this.svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    this.svg.setAttribute('preserveAspectRatio', 'none');
    this.svg.setAttribute('aria-hidden', 'true');
    this.svg.setAttribute('class', 'sparkline');
    this.#line.setAttribute('vector-effect', 'non-scaling-stroke');
    this.svg.append(this.#line);
  }

  draw(values: readonly number[]): void {
    const low = Math.min(...values);
    const span = Math.max(...values) - low;
    const step = WIDTH / Math.max(1, values.length - 1);
    const points = values.map((value, i) => {
      const part = span === 0 ? 0.5 : (value - low) / span;
      return `${(i * step).toFixed(1)},${(HEIGHT - INSET - part * (HEIGHT - 2 * INSET)).toFixed(1)}`;
    });
    this.#line.setAttribute('points', values.length < 2 ? '' : points.join(' '));
  }
}
