import { DATA_SOURCE, layOut, type Row } from './panels.js';

export interface DashboardOptions {
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly rows: readonly Row[];
  /** Variables that are chosen at the top: name, label, and the PromQL query for their values. */
  readonly variables?: readonly { readonly name: string; readonly label: string; readonly query: string }[];
}

/** The schema of Grafana 12.2; newer versions migrate it when they load it. */
const SCHEMA_VERSION = 42;

/** A dashboard as Grafana reads it from a file. */
export function dashboard({ uid, title, description, rows, variables = [] }: DashboardOptions): object {
  return {
    uid,
    title,
    description,
    tags: ['axiom'],
    schemaVersion: SCHEMA_VERSION,
    editable: false,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-1h', to: 'now' },
    timezone: 'browser',
    links: [LINK_TO_OTHERS],
    templating: {
      list: variables.map(({ name, label, query }) => ({
        type: 'query',
        name,
        label,
        datasource: DATA_SOURCE,
        query: { qryType: 1, query, refId: 'PrometheusVariableQueryEditor-VariableQuery' },
        refresh: 2,
        sort: 7,
        multi: false,
        includeAll: false,
        hide: 0,
        options: [],
      })),
    },
    panels: layOut(rows),
  };
}

const LINK_TO_OTHERS = {
  type: 'dashboards',
  title: 'Axiom',
  tags: ['axiom'],
  asDropdown: false,
  icon: 'external link',
  includeVars: false,
  keepTime: true,
  targetBlank: false,
  tooltip: '',
  url: '',
};
