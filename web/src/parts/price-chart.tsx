/** A line over time that follows new points. Each paint adds all points that arrived since the last one. */
import {
  AreaSeries,
  createChart,
  type IChartApi,
  type ISeriesApi,
  type UTCTimestamp,
} from 'lightweight-charts';
import { useEffect, useRef } from 'preact/hooks';
import { amount } from '../live/format.js';
import type { Point } from '../live/point.js';
import { colour, theme } from '../live/theme.js';

/** Points in view at the start. */
const SHOWN = 240;

interface Props {
  /** Ascending; only its end changes, or all of it with {@link id}. */
  readonly points: readonly Point[];
  /** A new value resets the chart. */
  readonly id: string;
  readonly label: string;
  readonly direction: 'up' | 'down' | '';
}

/** Which of the points are in the chart already. */
interface Drawn {
  id: string;
  last: number;
  count: number;
}

export function PriceChart({ points, id, label, direction }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const chart = useRef<IChartApi | undefined>(undefined);
  const series = useRef<ISeriesApi<'Area'> | undefined>(undefined);
  const drawn = useRef<Drawn>({ id: '', last: 0, count: 0 });
  const shownTheme = theme.value;

  useEffect(() => {
    if (host.current === null) return;
    const made = createChart(host.current, { autoSize: true, layout: { attributionLogo: false } });
    chart.current = made;
    series.current = made.addSeries(AreaSeries, { lineWidth: 2, priceLineVisible: true });
    drawn.current = { id: '', last: 0, count: 0 };
    return () => made.remove();
  }, []);

  useEffect(() => {
    const line = colour(direction === 'down' ? 'down' : direction === 'up' ? 'up' : 'accent');
    chart.current?.applyOptions({
      layout: {
        background: { color: 'transparent' },
        textColor: colour('quiet'),
        fontFamily: 'system-ui, sans-serif',
        attributionLogo: false,
      },
      grid: { vertLines: { color: colour('grid') }, horzLines: { color: colour('grid') } },
      rightPriceScale: { borderVisible: false, scaleMargins: { top: 0.08, bottom: 0.04 } },
      timeScale: { borderVisible: false, timeVisible: true, secondsVisible: true, rightOffset: 3 },
      crosshair: { vertLine: { labelBackgroundColor: colour('quiet') } },
      localization: { locale: 'en-GB', priceFormatter: (price: number) => amount(price) },
    });
    series.current?.applyOptions({ lineColor: line, topColor: `${line}38`, bottomColor: `${line}05` });
  }, [shownTheme, direction]);

  // After each render: updating the newest seconds is cheap; the whole data are set only for a new chart.
  useEffect(() => {
    const target = series.current;
    if (target === undefined) return;
    const state = drawn.current;
    const isNew = state.id !== id || points.length < state.count;
    if (isNew) {
      target.setData(bySecond(points));
      chart.current
        ?.timeScale()
        .setVisibleLogicalRange({ from: points.length - SHOWN, to: points.length + 3 });
    } else {
      for (const point of bySecond(points.slice(firstFrom(points, state.last)))) target.update(point);
    }
    // These points fill the width. From then on the chart moves by itself, and stays where the user drags it.
    if (points.length < SHOWN) chart.current?.timeScale().fitContent();
    drawn.current = { id, last: points.at(-1)?.time ?? 0, count: points.length };
  });

  return <div class="chart" ref={host} role="img" aria-label={label} />;
}

function firstFrom(points: readonly Point[], time: number): number {
  let i = points.length;
  while (i > 0 && (points[i - 1]?.time ?? 0) >= time) i -= 1;
  return i;
}

/** The last value of each second, because the chart has one point per second. */
function bySecond(points: readonly Point[]): { time: UTCTimestamp; value: number }[] {
  const found: { time: UTCTimestamp; value: number }[] = [];
  for (const { time, value } of points) {
    const second = Math.floor(time / 1000) as UTCTimestamp;
    const last = found.at(-1);
    if (last !== undefined && last.time >= second) last.value = value;
    else found.push({ time: second, value });
  }
  return found;
}
