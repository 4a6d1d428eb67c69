import { filesIn, readMonitoring } from './files.js';

export interface DashboardPanel {
  readonly type: string;
  readonly title: string;
  readonly description: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
  readonly fieldConfig: { readonly defaults: { readonly unit: string; readonly thresholds: object } };
}

export interface DashboardFile {
  readonly uid: string;
  readonly title: string;
  readonly templating: {
    readonly list: readonly { readonly name: string; readonly query: { readonly query: string } }[];
  };
  readonly panels: readonly DashboardPanel[];
}

/** The dashboards that Grafana reads, by the names of their files. */
export function dashboardFiles(): Map<string, DashboardFile> {
  return new Map(
    filesIn('grafana/dashboards', '.json').map((name) => [
      name,
      JSON.parse(readMonitoring(`grafana/dashboards/${name}`)) as DashboardFile,
    ]),
  );
}

/** The panels that show something: all but headings. */
export function panelsOf({ panels }: DashboardFile): DashboardPanel[] {
  return panels.filter(({ type }) => type !== 'row');
}
