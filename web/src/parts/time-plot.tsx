/** Lines of several series over the last minutes. */
import { useEffect, useRef } from 'preact/hooks';
import uPlot from 'uplot';
import { colour, theme } from '../live/theme.js';

const HEIGHT = 170;
/** Distinct in light and dark, and for colour-blind people. */
export const SERIES_COLOURS = [
  'series-1',
  'series-2',
  'series-3',
  'series-4',
  'series-5',
  'series-6',
] as const;

interface Props {
  readonly label: string;
  readonly names: readonly string[];
  /** The first list has the times, s since the Unix epoch; then one for each name. */
  readonly data: readonly (readonly (number | null | undefined)[])[];
  readonly unit: string;
}

export function TimePlot({ label, names, data, unit }: Props) {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const shownTheme = theme.value;
  const key = names.join();

  useEffect(() => {
    const parent = host.current;
    if (parent === null) return;
    const axis = {
      stroke: colour('quiet'),
      grid: { stroke: colour('grid'), width: 1 },
      ticks: { show: false },
    };
    const made = new uPlot(
      {
        width: parent.clientWidth,
        height: HEIGHT,
        legend: { show: false },
        cursor: { points: { size: 6 }, y: false },
        padding: [8, 8, 0, 0],
        axes: [
          { ...axis, values: '{HH}:{mm}:{ss}', space: 80, size: 30 },
          {
            ...axis,
            size: 58,
            values: (_: uPlot, ticks: number[]) =>
              ticks.map((tick) => `${tick.toLocaleString('en')} ${unit}`),
          },
        ],
        scales: { y: { range: (_: uPlot, _min: number, max: number) => [0, Math.max(1, max * 1.15)] } },
        series: [
          {},
          ...names.map((name, i) => ({
            label: name,
            stroke: colour(SERIES_COLOURS[i % SERIES_COLOURS.length] ?? 'accent'),
            width: 1.75,
            points: { show: false },
            spanGaps: true,
          })),
        ],
      },
      data as uPlot.AlignedData,
      parent,
    );
    plot.current = made;
    const observer = new ResizeObserver(() => made.setSize({ width: parent.clientWidth, height: HEIGHT }));
    observer.observe(parent);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = undefined;
    };
  }, [key, shownTheme, unit]);

  useEffect(() => {
    plot.current?.setData(data as uPlot.AlignedData);
  });

  return <div class="plot" ref={host} role="img" aria-label={label} />;
}
