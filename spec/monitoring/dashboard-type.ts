/**
 * What a dashboard is by Grafana's own types, with the options of the panels that are used here. `grafana-schema.ts`
 * makes a JSON Schema of it.
 */
import type * as stat from '@grafana/schema/dist/types/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen.d.ts';
import type * as timeseries from '@grafana/schema/dist/types/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen.d.ts';
import type {
  Dashboard,
  FieldConfig,
  FieldConfigSource,
  Panel,
  RowPanel,
} from '@grafana/schema/dist/types/raw/dashboard/x/dashboard_types.gen.d.ts';

type PanelOf<Type extends string, Options, Custom> = Omit<
  Panel,
  'type' | 'options' | 'fieldConfig' | 'targets'
> & {
  type: Type;
  options: Options;
  targets: Query[];
  fieldConfig: Omit<FieldConfigSource, 'defaults'> & {
    defaults: Omit<FieldConfig, 'custom'> & { custom?: Custom };
  };
};

/** Of the data source Prometheus, whose types are not in the package. */
interface Query {
  refId: string;
  datasource: { type: 'prometheus'; uid: string };
  editorMode: 'code';
  expr: string;
  legendFormat: string;
  instant: boolean;
  range: boolean;
}

export type CheckedDashboard = Omit<Dashboard, 'panels'> & {
  panels: (
    | RowPanel
    | PanelOf<'stat', stat.Options, Record<string, never>>
    | PanelOf<'timeseries', timeseries.Options, timeseries.FieldConfig>
  )[];
};
