import { node } from './node.js';
import { overview } from './overview.js';

/** The dashboards by the names of their files. */
export const DASHBOARDS: Readonly<Record<string, object>> = { overview, node };

/** A dashboard as its file has it. */
export function dashboardText(dashboard: object): string {
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}
