/** What `npm run audit:own` lets pass, one by one, each with its reason. */

/** Packages that run something when they are installed. */
export const INSTALL_SCRIPTS = {
  '@scarf/scarf':
    'of the AsyncAPI validator, in development alone; it counts installations, which scarfSettings in package.json turns off',
};

/** Images that are named without a digest. */
export const WITHOUT_DIGEST = {
  'node:24.21.0-bookworm-slim': 'no registry of images was in reach when it was named',
  'nginx:1.28.0-bookworm': 'no registry of images was in reach when it was named',
  'redis:7.2.11-bookworm': 'no registry of images was in reach when it was named',
  'prom/prometheus:v3.5.0': 'no registry of images was in reach when it was named',
  'grafana/grafana:12.2.0': 'no registry of images was in reach when it was named',
  'oliver006/redis_exporter:v1.77.0': 'no registry of images was in reach when it was named',
  'nginx/nginx-prometheus-exporter:1.4.2': 'no registry of images was in reach when it was named',
};

/** Advisories that do not concern this project, by their identifier (GHSA-…). */
export const ADVISORIES = {};
