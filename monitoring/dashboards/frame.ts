/** What all dashboards have around their panels: variables, links to each other, annotations, times. */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { metric } from '../promql.js';
import { DATASOURCE } from './panels.js';
import { type PlainKey, perSecond, series } from './queries.js';

export interface Row {
  title: string;
  panels: readonly Builder<Panel>[];
  /** Closed until somebody opens it: what only some configurations have. */
  collapsed?: boolean;
}

export interface DashboardOptions {
  /** Stays the same for ever: links and bookmarks have it. */
  uid: string;
  title: string;
  description: string;
  /** A metric that all programs have which the dashboard is about: `job` and `instance` are its labels' values. */
  about: PlainKey;
  rows: readonly Row[];
}

const TAG = 'sidetrack';
/**
 * As Grafana writes it; it stands for the values that the query finds, and not for any value, or the
 * processes of others would be added up with ours.
 */
const ALL = { selected: true, text: ['All'], value: ['$__all'] };

/**
 * The classic format: every Grafana since 8 reads it, and newer ones turn it into theirs. It has no
 * `__inputs`, so the same file can be imported by hand and provisioned.
 */
export function dashboard({ uid, title, description, about, rows }: DashboardOptions) {
  const builder = new DashboardBuilder(title)
    .uid(uid)
    .description(description)
    .tags([TAG])
    .editable()
    .timezone('browser')
    .time({ from: 'now-1h', to: 'now' })
    .refresh('30s')
    .tooltip(DashboardCursorSync.Crosshair)
    .variables([datasourceVariable(), ...targetVariables(about)])
    .annotations(annotations())
    .link(
      new DashboardLinkBuilder('Sidetrack')
        .type(DashboardLinkType.Dashboards)
        .tags([TAG])
        .includeVars(true)
        .keepTime(true),
    );
  for (const row of rows) addRow(builder, row);
  const built = builder.build();
  numberPanels(built.panels ?? []);
  return built;
}

function addRow(builder: DashboardBuilder, { title, panels, collapsed = false }: Row): void {
  const row = new RowBuilder(title).collapsed(collapsed);
  if (collapsed) for (const panel of panels) row.withPanel(panel);
  builder.withRow(row);
  if (!collapsed) for (const panel of panels) builder.withPanel(panel);
}

interface Numbered {
  id?: number;
  panels?: Numbered[];
}

/** Links to a panel have its number. */
function numberPanels(panels: readonly Numbered[], from = 1): number {
  let next = from;
  for (const panel of panels) {
    panel.id = next++;
    next = numberPanels(panel.panels ?? [], next);
  }
  return next;
}

const datasourceVariable = () =>
  new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus');

function targetVariables(about: PlainKey) {
  const name = metric<PlainKey>(about);
  return [
    targetVariable('job', 'Job', `label_values(${name}, job)`),
    targetVariable('instance', 'Instance', `label_values(${name}{job=~"$job"}, instance)`),
  ];
}

const targetVariable = (name: string, label: string, query: string) =>
  new QueryVariableBuilder(name)
    .label(label)
    .query(query)
    .definition(query)
    .datasource(DATASOURCE)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .current(ALL);

/** The value of the first two is the time itself, so they are exact at any scrape interval. */
function annotations() {
  return [
    annotation('Reloads', 'blue', 'Configuration reloaded')
      .expr(`1000 * ${series('relayReloadLastSuccessTimestampSeconds')}`)
      .useValueForTime(true),
    annotation('Starts', 'purple', 'Started')
      .expr(`1000 * ${series('processStartTimeSeconds')}`)
      .useValueForTime(true),
    annotation('Failed reloads', 'red', 'Reload failed').expr(
      `${perSecond('relayReloads', { result: 'failure' })} > 0`,
    ),
  ];
}

const annotation = (name: string, color: string, title: string) =>
  new AnnotationQueryBuilder()
    .name(name)
    .datasource(DATASOURCE)
    .enable(true)
    .hide(false)
    .iconColor(color)
    .titleFormat(`${title}: {{instance}}`);
