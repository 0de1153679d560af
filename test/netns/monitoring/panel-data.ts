/** What a panel shows: the answers of a Prometheus to its queries, asked as Grafana asks. */
import {
  alignedRange,
  type DashboardFile,
  interpolated,
  labelValues,
  legend,
  type Panel,
  stepOf,
  type View,
} from './grafana.js';
import type { Prometheus } from './prometheus.js';
import type { Point } from './prometheus-api.js';

export interface NamedSeries {
  /** As the legend has it. */
  name: string;
  labels: Readonly<Record<string, string>>;
  points: readonly Point[];
}

export interface PanelData {
  panel: Panel;
  /** One for each query, with variables replaced. */
  queries: readonly { expression: string; series: readonly NamedSeries[] }[];
}

/** All values of job and instance, as Grafana finds them. @param view without them */
export async function withVariables(
  prometheus: Prometheus,
  { templating }: DashboardFile,
  view: View,
): Promise<View> {
  let chosen = view;
  for (const { name, type, query } of templating.list.filter(({ type }) => type === 'query')) {
    if (chosen.variables[name] !== undefined) continue;
    const { series, label } = labelValues(interpolated(query, chosen, view.scrapeInterval));
    const shown = `${Math.ceil(view.to - view.from)}s`;
    const found = await prometheus.query(
      `count by (${label}) (last_over_time(${series}[${shown}]))`,
      view.to,
    );
    const values = found.map(({ labels }) => labels[label] ?? '').sort();
    if (values.length === 0) throw new Error(`variable ${name} of type ${type} has no values`);
    chosen = { ...chosen, variables: { ...chosen.variables, [name]: values } };
  }
  return chosen;
}

export async function panelData(
  prometheus: Prometheus,
  panel: Panel,
  view: View,
): Promise<PanelData> {
  const step = stepOf(view, panel.gridPos.w);
  const queries = panel.targets.map(async ({ expr, legendFormat, instant }) => {
    const expression = interpolated(expr, view, step);
    const answers = instant
      ? (await prometheus.query(expression, view.to)).map(({ labels, at, value }) => ({
          labels,
          points: [{ at, value }],
        }))
      : await prometheus.queryRange(expression, alignedRange(view, step));
    const series = answers.map(({ labels, points }) => ({
      name: legend(legendFormat, labels),
      labels,
      points,
    }));
    return { expression, series };
  });
  return { panel, queries: await Promise.all(queries) };
}

/** What can be drawn: a quantile of nothing is NaN. */
export const finite = (points: readonly Point[]): Point[] =>
  points.filter(({ value }) => Number.isFinite(value));
