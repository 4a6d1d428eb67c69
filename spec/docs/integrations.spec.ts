/** Holds the pages of the connectors to the code. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { CONNECTORS } from '../../server/connectors/catalogue.js';
import { CONNECTOR_VARIABLES } from '../../server/connectors/config.js';
import { ConnectorMetrics } from '../../server/connectors/metrics.js';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const read = (path: string) => readFileSync(`${ROOT}/${path}`, 'utf8');

describe('The pages of the connectors', () => {
  it('have every variable, with its default and its meaning', () => {
    const table = read('docs/integrations/README.md').split('## Configuration')[1]!.split('## Operation')[0]!;
    const rows = [...table.matchAll(/^\| `([A-Z0-9_]+)` \| `?([^|`]*)`? \| (.*) \|$/gm)].map(([, ...row]) =>
      row.map((cell) => cell!.trim()),
    );
    expect(rows).to.deep.equal(
      Object.entries(CONNECTOR_VARIABLES).map(([name, row]) => [name, row.default, row.description]),
    );
  });

  it('name every connector as it is started', () => {
    const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
    const pages = ['postgresql', 'redis', 'neo4j']
      .map((page) => read(`docs/integrations/${page}.md`))
      .join('\n');
    for (const name of Object.keys(CONNECTORS)) {
      expect(scripts[`connector:${name}`], name).to.match(new RegExp(`run.js ${name}$`));
      expect(pages).to.contain(`npm run connector:${name}`);
    }
  });

  it('watch metrics that exist', async () => {
    const rules = read('monitoring/rules/connectors.yml');
    const text = await new ConnectorMetrics('spec').text();
    for (const [metric] of rules.matchAll(/axiom_\w+/g)) expect(text).to.contain(`# TYPE ${metric} `);
  });
});
