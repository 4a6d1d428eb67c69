/**
 * Schedules painting: all changes go into one animation frame, and frames are no more frequent than people can read.
 * Messages change plain fields; components read a version, which is raised once per frame. A hidden page paints
 * nothing.
 */
import { batch, signal } from '@preact/signals';

const MIN_INTERVAL_MS = 100;

/** Calls `paint` once, in the next animation frame; soon, if there is no screen. */
let nextFrame: (paint: () => void) => void = (paint) => void setTimeout(paint);

/** Sets how the next frame is requested; called once, before anything is shown. */
export function paintWith(frame: (paint: () => void) => void): void {
  nextFrame = frame;
}

const waiting = new Set<Painted>();
let scheduled = false;
let paintedAt = Number.NEGATIVE_INFINITY;

/** State that components show. They read {@link version}, and are rendered again when it is raised. */
export class Painted {
  readonly #version = signal(0);

  /** A component that reads it is rendered again after a change. */
  get version(): number {
    return this.#version.value;
  }

  /** Requests a repaint; may be called for each message. */
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
