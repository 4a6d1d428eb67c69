/**
 * When what has changed is painted: all of it in one animation frame, and not more often than anyone can read. Messages
 * change plain fields; components read a version, which is raised once per frame. A hidden page paints nothing.
 */
import { batch, signal } from '@preact/signals';

const MIN_INTERVAL_MS = 100;

/** Calls `paint` once, when the screen is drawn next. Without a screen: soon. */
let nextFrame: (paint: () => void) => void = (paint) => void setTimeout(paint);

/** Says what calls for the next frame; the page says it once, before anything is shown. */
export function paintWith(frame: (paint: () => void) => void): void {
  nextFrame = frame;
}

const waiting = new Set<Painted>();
let scheduled = false;
let paintedAt = Number.NEGATIVE_INFINITY;

/** Something that components show. They read {@link version}, and are rendered again when it was raised. */
export class Painted {
  readonly #version = signal(0);

  /** Read in a component, it renders the component again after a change. */
  get version(): number {
    return this.#version.value;
  }

  /** Says that there is something to paint; it may be called for each message. */
  changed(): void {
    waiting.add(this);
    if (scheduled) return;
    scheduled = true;
    const waitMs = paintedAt + MIN_INTERVAL_MS - performance.now();
    if (waitMs <= 0) nextFrame(paint);
    else setTimeout(() => nextFrame(paint), waitMs);
  }

  raise(): void {
    this.#version.value += 1;
  }
}

function paint(): void {
  scheduled = false;
  paintedAt = performance.now();
  const parts = [...waiting];
  waiting.clear();
  batch(() => {
    for (const part of parts) part.raise();
  });
}
