import { expect } from 'chai';
import { parse } from 'yaml';
import { DASHBOARDS, dashboardText } from '../../monitoring/grafana/all.js';
import { DATA_SOURCE } from '../../monitoring/grafana/panels.js';
import { dashboardFiles, panelsOf } from './dashboards.js';
import { knownSeries, readMonitoring, seriesOf } from './files.js';
import { grafanaSchema } from './grafana-schema.js';

describe('The dashboards', () => {
  const files = dashboardFiles();

  it('are what npm run dashboards writes', () => {
    expect([...files.keys()]).to.have.members(Object.keys(DASHBOARDS).map((name) => `${name}.json`));
    for (const [name, dashboard] of Object.entries(DASHBOARDS)) {
      expect(readMonitoring(`grafana/dashboards/${name}.json`), name).to.equal(dashboardText(dashboard));
    }
  });

  it('keep to the types of Grafana', () => {
    const validate = grafanaSchema();
    for (const [name, dashboard] of files) {
      expect(validate(dashboard), `${name}: ${JSON.stringify(validate.errors?.slice(0, 5))}`).to.equal(true);
    }
    // It does not let everything through.
    const [good] = files.values();
    const [row, panel] = good!.panels as object[];
    const line = good!.panels.find(({ type }) => type === 'timeseries')!;
    expect(validate({ ...good, panels: [row, panel, line] })).to.equal(true);
    for (const bad of [
      { ...panel, titel: 'x' },
      { ...panel, options: { ...(panel as { options: object }).options, colorMode: 'loud' } },
      { ...panel, gridPos: { x: '0', y: 0, w: 1, h: 1 } },
      { ...line, fieldConfig: { defaults: { custom: { drawStyle: 'curly' } }, overrides: [] } },
    ]) {
      expect(validate({ ...good, panels: [row, bad] })).to.equal(false);
    }
  });

  it('are found by Grafana, and find their data source', () => {
    const { datasources } = parse(readMonitoring('grafana/provisioning/datasources/prometheus.yml')) as {
      datasources: { uid: string; type: string }[];
    };
    expect(datasources.map(({ uid, type }) => ({ uid, type }))).to.deep.equal([DATA_SOURCE]);
    const { providers } = parse(readMonitoring('grafana/provisioning/dashboards/axiom.yml')) as {
      providers: { options: { path: string } }[];
    };
    const compose = parse(readMonitoring('../docker-compose.yml'), { merge: true }) as {
      services: { grafana: { volumes: string[] } };
    };
    expect(compose.services.grafana.volumes).to.include(
      `./monitoring/grafana/dashboards:${providers[0]!.options.path}:ro`,
    );
  });

  it('say in each panel what it means, in which unit, and nothing twice', () => {
    for (const [name, dashboard] of files) {
      const panels = panelsOf(dashboard);
      expect(panels.length, name).to.be.greaterThan(15);
      for (const { title, description, fieldConfig } of panels) {
        expect(description, title).to.match(/^[A-Z0-9`].{10,}\.$/);
        expect(fieldConfig.defaults.unit, title).to.match(/^\w+$/);
        expect(fieldConfig.defaults.thresholds, title).to.be.an('object');
      }
      for (const what of [
        panels.map(({ title }) => title),
        panels.map(({ description }) => description),
        panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
      ]) {
        expect(what.filter((one, i) => what.indexOf(one) !== i)).to.deep.equal([]);
      }
    }
  });

  it('place no two panels on top of each other', () => {
    for (const { panels } of files.values()) {
      const taken = new Set<string>();
      for (const { title, gridPos } of panels) {
        expect(gridPos.x + gridPos.w, title).to.be.at.most(24);
        for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++) {
          for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
            expect(taken.has(`${x} ${y}`), title).to.equal(false);
            taken.add(`${x} ${y}`);
          }
        }
      }
    }
  });

  it('ask for series that exist', async () => {
    const known = await knownSeries();
    for (const dashboard of files.values()) {
      for (const { title, targets } of panelsOf(dashboard)) {
        for (const { expr } of targets) {
          expect(seriesOf(expr), title).not.to.deep.equal([]);
          for (const name of seriesOf(expr)) expect(known, `${title}: ${expr}`).to.include(name);
        }
      }
    }
  });

  it('have the panels that the runbook sends its reader to', () => {
    const titles = [...files.values()].flatMap((dashboard) => [
      dashboard.title,
      ...panelsOf(dashboard).map(({ title }) => title),
    ]);
    const named = [...readMonitoring('RUNBOOK.md').matchAll(/(?<!\*)\*([A-Z][^*]+)\*/g)].map(([, name]) =>
      name!.replace(/\s+/g, ' '),
    );
    expect(named).not.to.deep.equal([]);
    expect(named.filter((name) => !titles.includes(name))).to.deep.equal([]);
  });
});
