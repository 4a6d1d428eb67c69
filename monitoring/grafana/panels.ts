/** Panels of Grafana. Every panel has one or more queries, a unit, and a sentence that says what it means. */

/** The data source of `provisioning/datasources`. */
export const DATA_SOURCE = { type: 'prometheus', uid: 'axiom-prometheus' } as const;

/** Colours change at these values: green below the first, or above the last if `falling`. */
export interface Thresholds {
  /** From this value on it needs attention. */
  readonly warn: number;
  /** From this value on it is bad. */
  readonly bad: number;
}

/** One query: PromQL, and the legend of its series. */
export interface Query {
  readonly expr: string;
  readonly legend: string;
}

export interface PanelOptions {
  readonly title: string;
  /** What the panel shows, and when to worry. */
  readonly description: string;
  readonly queries: readonly Query[];
  /** A unit of Grafana: `s`, `bytes`, `percentunit`, `ops`, `short`, … */
  readonly unit: string;
  readonly thresholds?: Thresholds;
  readonly decimals?: number;
  readonly min?: number;
  readonly max?: number;
  /** Width, of 24 columns. */
  readonly width?: number;
}

export interface Panel {
  readonly kind: 'stat' | 'timeseries';
  readonly options: PanelOptions;
  readonly extra: LineExtra & StatExtra;
}

interface LineExtra {
  /** Whether series are stacked. */
  readonly stacked?: boolean;
}

interface StatExtra {
  /** Texts for values, in Grafana's format. */
  readonly mappings?: readonly object[];
  /** Shows the name of the series instead of its value. */
  readonly nameOnly?: boolean;
}

/** A heading, and the panels below it. */
export interface Row {
  readonly title: string;
  readonly panels: readonly Panel[];
}

/** One current figure. */
export function stat(options: PanelOptions, extra: StatExtra = {}): Panel {
  return { kind: 'stat', options, extra };
}

/** Lines over time. */
export function lines(options: PanelOptions): Panel {
  return { kind: 'timeseries', options, extra: {} };
}

/** Areas over time that add up. */
export function areas(options: PanelOptions): Panel {
  return { kind: 'timeseries', options, extra: { stacked: true } };
}

const COLUMNS = 24;
const HEIGHTS = { stat: 4, timeseries: 8 } as const;

/** The panels of rows, each with its position. */
export function layOut(rows: readonly Row[]): object[] {
  const placed: object[] = [];
  let y = 0;
  const nextId = () => placed.length + 1;
  for (const { title, panels } of rows) {
    const gridPos = { x: 0, y, w: COLUMNS, h: 1 };
    placed.push({ type: 'row', id: nextId(), title, collapsed: false, panels: [], gridPos });
    y += 1;
    let [x, height] = [0, 0];
    for (const panel of panels) {
      const w = panel.options.width ?? (panel.kind === 'stat' ? 4 : 8);
      if (x + w > COLUMNS) [x, y, height] = [0, y + height, 0];
      const h = HEIGHTS[panel.kind];
      placed.push(render(panel, nextId(), { x, y, w, h }));
      x += w;
      height = Math.max(height, h);
    }
    y += height;
  }
  return placed;
}

function render({ kind, options, extra }: Panel, id: number, gridPos: object): object {
  const { title, description, queries, unit, thresholds, decimals, min, max } = options;
  const isStat = kind === 'stat';
  return {
    type: kind,
    id,
    title,
    description,
    gridPos,
    datasource: DATA_SOURCE,
    targets: queries.map(({ expr, legend }, i) => ({
      refId: String.fromCharCode(65 + i),
      datasource: DATA_SOURCE,
      editorMode: 'code',
      expr,
      legendFormat: legend,
      // A current figure queries once; lines query the whole range.
      ...(isStat ? { instant: true, range: false } : { instant: false, range: true }),
    })),
    fieldConfig: {
      defaults: {
        unit,
        ...(decimals === undefined ? {} : { decimals }),
        ...(min === undefined ? {} : { min }),
        ...(max === undefined ? {} : { max }),
        color: { mode: isStat ? 'thresholds' : 'palette-classic' },
        thresholds: steps(thresholds),
        ...(extra.mappings === undefined ? {} : { mappings: extra.mappings }),
        ...(isStat ? {} : { custom: drawing(extra.stacked === true, thresholds !== undefined) }),
      },
      overrides: [],
    },
    options: isStat ? { ...STAT_OPTIONS, textMode: extra.nameOnly ? 'name' : 'auto' } : LINE_OPTIONS,
  };
}

/** If the bad value is the smaller one, less is worse. */
function steps(thresholds: Thresholds | undefined): object {
  if (thresholds === undefined) return { mode: 'absolute', steps: [{ color: 'blue', value: null }] };
  const { warn, bad } = thresholds;
  const [low, middle, high] = bad < warn ? ['red', 'orange', 'green'] : ['green', 'orange', 'red'];
  const [first, second] = bad < warn ? [bad, warn] : [warn, bad];
  return {
    mode: 'absolute',
    steps: [
      { color: low, value: null },
      { color: middle, value: first },
      { color: high, value: second },
    ],
  };
}

function drawing(stacked: boolean, hasThresholds: boolean): object {
  return {
    drawStyle: 'line',
    lineInterpolation: 'linear',
    lineWidth: 1,
    fillOpacity: stacked ? 40 : 8,
    showPoints: 'never',
    spanNulls: false,
    stacking: { mode: stacked ? 'normal' : 'none', group: 'A' },
    thresholdsStyle: { mode: hasThresholds ? 'line' : 'off' },
  };
}

const STAT_OPTIONS = {
  colorMode: 'value',
  graphMode: 'none',
  justifyMode: 'auto',
  orientation: 'auto',
  percentChangeColorMode: 'standard',
  reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false },
  showPercentChange: false,
  wideLayout: true,
};

const LINE_OPTIONS = {
  legend: { calcs: ['lastNotNull', 'max'], displayMode: 'table', placement: 'bottom', showLegend: true },
  tooltip: { mode: 'multi', sort: 'desc' },
};
