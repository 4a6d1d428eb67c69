/** `npm run dashboards`: writes `dashboards/*.json`, which Grafana reads. */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { DASHBOARDS, dashboardText } from './all.js';

for (const [name, dashboard] of Object.entries(DASHBOARDS)) {
  const file = fileURLToPath(new URL(`../../../monitoring/grafana/dashboards/${name}.json`, import.meta.url));
  writeFileSync(file, dashboardText(dashboard));
}
