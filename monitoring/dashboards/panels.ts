/**
 * Panels as the three dashboards draw them: what they have in common is said once. A panel is 24ths
 * of the page wide; each has a title, a description, and a unit.
 */
import type { Builder, Dataquery } from '@grafana/grafana-foundation-sdk/cog';
import {
  AxisPlacement,
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  HeatmapCellLayout,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  ScaleDistribution,
  ScaleDistributionConfigBuilder,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TableSortByFieldStateBuilder,
  TimelineValueAlignment,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  FieldColorBuilder,
  FieldColorModeId,
  MappingType,
  type Panel,
  type Threshold,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type ValueMapping,
} from '@grafana/grafana-foundation-sdk/dashboard';
import {
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
  PanelBuilder as HeatmapPanel,
  HeatmapTooltipBuilder,
  RowsHeatmapOptionsBuilder,
  YAxisConfigBuilder,
} from '@grafana/grafana-foundation-sdk/heatmap';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatPanel } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as StatesPanel } from '@grafana/grafana-foundation-sdk/statetimeline';
import { PanelBuilder as TablePanel } from '@grafana/grafana-foundation-sdk/table';
import { PanelBuilder as GraphPanel } from '@grafana/grafana-foundation-sdk/timeseries';
import { type AlertName, runbookUrl } from '../runbooks.js';

/** The one that the reader chooses at the top of the page. */
export const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };

/** PromQL, and the name of each series that it gives, with `{{label}}`. */
export type Query = readonly [expression: string, legend: string];

export interface PanelOptions {
  title: string;
  /** What it shows and what to look for, in whole sentences. */
  description: string;
  /** A unit's id in Grafana; see `units` of the SDK. */
  unit: string;
  queries: readonly Query[];
  /** 24ths of the page; half of it when absent. */
  width?: number;
  /** Rows of 30 pixels. */
  height?: number;
  /** From which value on it is how bad; green below. */
  thresholds?: Levels;
  /** Name of the alert whose run-book is linked. */
  runbook?: AlertName;
  min?: number;
  max?: number;
  decimals?: number;
}

/** Values from which a panel is orange, and red; `falling`: below which. */
export interface Levels {
  warning?: number;
  critical?: number;
  falling?: boolean;
}

export const UP_OR_DOWN = { 0: 'down', 1: 'up' };

/** Of the value that `hostState()` gives. */
export const HOST_STATES = {
  0: 'in sync',
  1: 'drifted',
  2: 'not applied',
  3: 'unfit',
  4: 'no answer',
};

/** Of the value that `serverState()` gives. */
export const SERVER_STATES = {
  0: 'alive',
  1: 'held or rising',
  2: 'drained',
  3: 'unfit',
  4: 'silent',
  5: 'never heard',
};

/** From here on a legend has room for names and three numbers. */
const NARROW = 7;

export const HEIGHT = { number: 4, graph: 8 };

export interface GraphOptions extends PanelOptions {
  stacked?: boolean;
  logarithmic?: boolean;
}

/** Lines over time, with a legend of numbers below. */
export function graph(options: GraphOptions): Builder<Panel> {
  const { stacked = false, logarithmic = false, thresholds, width = 12 } = options;
  const panel = common(new GraphPanel(), options, HEIGHT.graph)
    .lineWidth(1)
    .fillOpacity(stacked ? 25 : 8)
    .showPoints(VisibilityMode.Never)
    .axisPlacement(AxisPlacement.Auto)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.PaletteClassic))
    .tooltip(
      new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi).sort(SortOrder.Descending),
    )
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.Table)
        .placement(LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(width < NARROW ? ['lastNotNull'] : ['mean', 'max', 'lastNotNull'])
        // What is busy is seen without scrolling.
        .sortBy('Last *')
        .sortDesc(true),
    );
  if (logarithmic)
    panel.scaleDistribution(
      new ScaleDistributionConfigBuilder().type(ScaleDistribution.Log).log(10),
    );
  else panel.min(options.min ?? 0);
  if (stacked) panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal).group('A'));
  if (thresholds)
    panel.thresholdsStyle(
      new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed),
    );
  return panel;
}

export interface NumberOptions extends PanelOptions {
  /** What is said instead of a number. */
  words?: Readonly<Record<string, string>>;
  /** The name of each series instead of its value, which says nothing. */
  names?: boolean;
  /** What is shown where nothing is measured. */
  otherwise?: string;
}

/** The last value, large, in the colour of its level. */
export function number(options: NumberOptions): Builder<Panel> {
  const { words, otherwise, names = false } = options;
  const panel = common(new StatPanel(), options, HEIGHT.number)
    .graphMode(names ? BigValueGraphMode.None : BigValueGraphMode.Area)
    .colorMode(BigValueColorMode.Value)
    .textMode(names ? BigValueTextMode.Name : BigValueTextMode.Value)
    .reduceOptions(new ReduceDataOptionsBuilder().calcs(['lastNotNull']).values(false));
  if (words) panel.mappings([wordsOf(words)]);
  if (otherwise !== undefined) panel.noValue(otherwise);
  return panel;
}

export interface StatesOptions extends PanelOptions {
  words: Readonly<Record<string, string>>;
}

/** A line a series, in the colour of its level, with the word for it. */
export function states(options: StatesOptions): Builder<Panel> {
  return common(new StatesPanel(), options, HEIGHT.graph)
    .mappings([wordsOf(options.words)])
    .showValue(VisibilityMode.Auto)
    .alignValue(TimelineValueAlignment.Left)
    .mergeValues(true)
    .rowHeight(0.8)
    .fillOpacity(70)
    .lineWidth(0)
    .colorScheme(new FieldColorBuilder().mode(FieldColorModeId.Thresholds))
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Single))
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(false),
    );
}

/** How many observations fell into each bucket of a classic histogram, over time. */
export function heatMap(options: PanelOptions): Builder<Panel> {
  return common(new HeatmapPanel(), options, HEIGHT.graph, PromQueryFormat.Heatmap)
    .calculate(false)
    .cellGap(1)
    .color(
      new HeatmapColorOptionsBuilder()
        .mode(HeatmapColorMode.Scheme)
        .scheme('Oranges')
        .steps(64)
        .exponent(0.5),
    )
    .rowsFrame(new RowsHeatmapOptionsBuilder().layout(HeatmapCellLayout.Auto))
    .yAxis(new YAxisConfigBuilder().unit(options.unit).axisPlacement(AxisPlacement.Left))
    .tooltip(new HeatmapTooltipBuilder().mode(TooltipDisplayMode.Single).yHistogram(true))
    .showLegend();
}

export interface TableOptions extends PanelOptions {
  /** Labels in the order of their columns. */
  columns: Readonly<Record<string, string>>;
  /** Heading of the value. */
  value: string;
  /** What is said instead of a value. */
  words?: Readonly<Record<string, string>>;
}

/** One row a series, as they are now. */
export function table(options: TableOptions): Builder<Panel> {
  const { columns, value, words } = options;
  const names = [...Object.keys(columns), 'Value'];
  const panel = common(new TablePanel(), options, HEIGHT.graph, PromQueryFormat.Table);
  if (words) panel.mappings([wordsOf(words)]);
  return panel
    .withTransformation({
      id: 'organize',
      options: {
        includeByName: Object.fromEntries(names.map((name) => [name, true])),
        indexByName: Object.fromEntries(names.map((name, index) => [name, index])),
        renameByName: { ...columns, Value: value },
      },
    })
    .sortBy([new TableSortByFieldStateBuilder().displayName(value).desc(true)])
    .filterable(true);
}

/** What the builders of all panels have, as far as it is used here. */
interface AnyPanel<Self> extends Builder<Panel> {
  title(title: string): Self;
  description(description: string): Self;
  datasource(datasource: typeof DATASOURCE): Self;
  unit(unit: string): Self;
  span(width: number): Self;
  height(height: number): Self;
  targets(targets: Builder<Dataquery>[]): Self;
  thresholds(thresholds: ThresholdsConfigBuilder): Self;
  links(links: DashboardLinkBuilder[]): Self;
  min(min: number): Self;
  max(max: number): Self;
  decimals(decimals: number): Self;
}

function common<Self extends AnyPanel<Self>>(
  panel: Self,
  options: PanelOptions,
  height: number,
  format = PromQueryFormat.TimeSeries,
): Self {
  panel
    .title(options.title)
    .description(options.description)
    .datasource(DATASOURCE)
    .unit(options.unit)
    .span(options.width ?? 12)
    .height(options.height ?? height)
    .targets(options.queries.map((query, index) => target(query, index, format)))
    .thresholds(steps(options.thresholds));
  if (options.min !== undefined) panel.min(options.min);
  if (options.max !== undefined) panel.max(options.max);
  if (options.decimals !== undefined) panel.decimals(options.decimals);
  if (options.runbook !== undefined) panel.links([runbookLink(options.runbook)]);
  return panel;
}

function target([expression, legend]: Query, index: number, format: PromQueryFormat) {
  const query = new DataqueryBuilder()
    .refId(String.fromCharCode('A'.charCodeAt(0) + index))
    .datasource(DATASOURCE)
    .expr(expression)
    .legendFormat(legend)
    .format(format);
  return format === PromQueryFormat.Table ? query.instant() : query.range();
}

const FINE = 'green';
const WARNING = 'orange';
const CRITICAL = 'red';

function steps({ warning, critical, falling = false }: Levels = {}): ThresholdsConfigBuilder {
  const rising = [
    { value: null, color: FINE },
    { value: warning, color: WARNING },
    { value: critical, color: CRITICAL },
  ];
  // Each colour begins where that of the worse level ends.
  const worst = critical === undefined ? WARNING : CRITICAL;
  const sinking = [
    { value: null, color: worst },
    { value: warning === undefined ? undefined : critical, color: WARNING },
    { value: warning ?? critical, color: FINE },
  ];
  const list = (falling ? sinking : rising).flatMap(({ value, color }): Threshold[] =>
    value === undefined ? [] : [{ value, color }],
  );
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(list);
}

const wordsOf = (words: Readonly<Record<string, string>>): ValueMapping => ({
  type: MappingType.ValueToText,
  options: Object.fromEntries(
    Object.entries(words).map(([value, text], index) => [value, { text, index }]),
  ),
});

const runbookLink = (alert: AlertName) =>
  new DashboardLinkBuilder(`Run-book: ${alert}`)
    .type(DashboardLinkType.Link)
    .url(runbookUrl(alert))
    .targetBlank(true);
