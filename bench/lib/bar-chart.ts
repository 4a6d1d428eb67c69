/** One bar of a chart. */
export interface Bar {
  readonly label: string;
  readonly value: number;
  /** The value as text. */
  readonly text: string;
  /** Whether the bar is highlighted. If none is, the first one is. */
  readonly own?: boolean;
}

const WIDTH = 720;
const ROW = 30;
const TOP = 44;
/** Upper bound of a character's average width, px. */
const CHARACTER = 7.6;
const MARGIN = 10;

/** Horizontal bars as an SVG that can be read on light and dark pages. */
export function barChart(title: string, bars: readonly Bar[]): string {
  const widest = (of: (bar: Bar) => string) =>
    Math.ceil(Math.max(...bars.map((bar) => of(bar).length)) * CHARACTER);
  const labels = Math.max(120, widest(({ label }) => label) + 2 * MARGIN);
  const room = WIDTH - labels - widest(({ text }) => text) - 2 * MARGIN;
  const most = Math.max(...bars.map(({ value }) => value));
  const height = TOP + bars.length * ROW + MARGIN;
  const someOwn = bars.some(({ own }) => own);
  const rows = bars.map(({ label, value, text, own }, i) => {
    const y = TOP + i * ROW;
    const width = Math.max(1, (room * value) / most);
    return `<text x="${labels - MARGIN}" y="${y + 16}" text-anchor="end" class="label">${escapeText(label)}</text>
<rect x="${labels}" y="${y}" width="${width.toFixed(1)}" height="22" rx="3" class="${(someOwn ? own : i === 0) ? 'own' : 'peer'}"/>
<text x="${(labels + width + 8).toFixed(1)}" y="${y + 16}" class="value">${escapeText(text)}</text>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-label="${escapeText(title)}">
<style>
text { font: 14px system-ui, sans-serif; fill: #1a2233; } .title { font-weight: 600; } .value { font-variant-numeric: tabular-nums; }
.own { fill: #1d57c2; } .peer { fill: #8b97ab; } .paper { fill: #ffffff; }
@media (prefers-color-scheme: dark) { text { fill: #e6eaf2; } .own { fill: #6ea0ff; } .peer { fill: #64708a; } .paper { fill: #10151f; } }
</style>
<rect width="${WIDTH}" height="${height}" class="paper"/>
<text x="${MARGIN}" y="24" class="title">${escapeText(title)}</text>
${rows.join('\n')}
</svg>
`;
}

function escapeText(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
}
