/** A small line without axes, on a canvas, because a table of hundreds is painted ten times a second. */
import { useEffect, useRef } from 'preact/hooks';
import { colour, theme } from '../live/theme.js';

const WIDTH = 96;
const HEIGHT = 24;

export function Sparkline({ values }: { readonly values: readonly number[] }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const shownTheme = theme.value;
  useEffect(() => {
    if (canvas.current !== null) draw(canvas.current, values, shownTheme);
  });
  return (
    <span aria-hidden="true">
      <canvas class="sparkline" ref={canvas} width={WIDTH * 2} height={HEIGHT * 2} />
    </span>
  );
}

const colours = new Map<string, string>();

function themed(name: string, shownTheme: string): string {
  const key = `${shownTheme} ${name}`;
  let found = colours.get(key);
  if (found === undefined) {
    found = colour(name);
    colours.set(key, found);
  }
  return found;
}

function draw(canvas: HTMLCanvasElement, values: readonly number[], shownTheme: string): void {
  const context = canvas.getContext('2d');
  if (context === null) return;
  context.clearRect(0, 0, canvas.width, canvas.height);
  if (values.length < 2) return;
  const low = Math.min(...values);
  const range = Math.max(...values) - low || 1;
  const x = (i: number) => 2 + (i / (values.length - 1)) * (canvas.width - 6);
  const y = (value: number) => canvas.height - 4 - ((value - low) / range) * (canvas.height - 8);
  const rises = (values.at(-1) ?? 0) >= (values[0] ?? 0);
  context.strokeStyle = themed(rises ? 'up' : 'down', shownTheme);
  context.lineWidth = 2.5;
  context.lineJoin = 'round';
  context.beginPath();
  values.forEach((value, i) => {
    context.lineTo(x(i), y(value));
  });
  context.stroke();
  context.fillStyle = context.strokeStyle;
  context.beginPath();
  context.arc(x(values.length - 1), y(values.at(-1) ?? 0), 4, 0, Math.PI * 2);
  context.fill();
}
