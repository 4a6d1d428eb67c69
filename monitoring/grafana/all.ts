import { node } from './node.js';
import { overview } from './overview.js';

/** The dashboards, by file name. */
export const DASHBOARDS: Readonly<Record<string, object>> = { overview, node };

/** The contents of a dashboard's file. */
export function dashboardText(dashboard: object): string {
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}
