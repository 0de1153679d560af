/**
 * What Grafana does with a dashboard before Prometheus sees a query: which step a panel asks for, and
 * what stands in place of variables. As its Prometheus data source has it (`calculatePrometheusInterval`
 * and `roundInterval` there). Pure but for reading the files.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const target = z.object({
  expr: z.string(),
  legendFormat: z.string(),
  format: z.enum(['time_series', 'table', 'heatmap']),
  instant: z.boolean(),
});

const thresholds = z.object({
  steps: z.array(z.object({ value: z.number().nullable(), color: z.string() })),
});

const panel = z.object({
  id: z.number(),
  type: z.string(),
  title: z.string(),
  description: z.string().optional(),
  gridPos: z.object({ x: z.number(), y: z.number(), w: z.number(), h: z.number() }),
  targets: z.array(target).default([]),
  links: z.array(z.object({ url: z.string() })).default([]),
  fieldConfig: z
    .object({
      defaults: z.object({
        unit: z.string().optional(),
        min: z.number().optional(),
        max: z.number().optional(),
        decimals: z.number().optional(),
        noValue: z.string().optional(),
        thresholds: thresholds.optional(),
        mappings: z
          .array(z.object({ options: z.record(z.string(), z.object({ text: z.string() })) }))
          .default([]),
        custom: z
          .object({
            stacking: z.object({ mode: z.string() }).optional(),
            scaleDistribution: z.object({ type: z.string() }).optional(),
          })
          .optional(),
      }),
    })
    .optional(),
  transformations: z
    .array(z.object({ options: z.object({ renameByName: z.record(z.string(), z.string()) }) }))
    .default([]),
  options: z
    .object({
      textMode: z.string().optional(),
      legend: z.object({ calcs: z.array(z.string()).default([]) }).optional(),
    })
    .optional(),
});

const row = panel.extend({ collapsed: z.boolean().optional(), panels: z.array(panel).default([]) });

const dashboard = z.object({
  uid: z.string(),
  title: z.string(),
  description: z.string(),
  tags: z.array(z.string()),
  panels: z.array(row),
  templating: z.object({
    list: z.array(z.object({ name: z.string(), type: z.string(), query: z.string() })),
  }),
  annotations: z.object({ list: z.array(z.object({ name: z.string(), expr: z.string() })) }),
});

export type Target = z.infer<typeof target>;
export type Panel = z.infer<typeof panel>;
export type DashboardFile = z.infer<typeof dashboard>;

export const DASHBOARDS = ['sidetrack-overview', 'sidetrack-relay', 'sidetrack-router'] as const;

export function readDashboard(uid: (typeof DASHBOARDS)[number]): DashboardFile {
  const file = new URL(`../../../monitoring/dashboards/json/${uid}.json`, import.meta.url);
  return dashboard.parse(JSON.parse(readFileSync(file, 'utf8')));
}

/** Those that draw something, in collapsed rows too. */
export const panelsOf = ({ panels }: DashboardFile): Panel[] =>
  panels.flatMap((one) => [one, ...one.panels]).filter(({ type }) => type !== 'row');

/** What the reader looks at. Times in seconds. */
export interface View {
  from: number;
  to: number;
  /** Width of the page in pixels; Grafana asks for a point a pixel at most. */
  width: number;
  /** "Scrape interval" of the data source. */
  scrapeInterval: number;
  /** Values of each variable that are chosen. */
  variables: Readonly<Record<string, readonly string[]>>;
}

const COLUMNS = 24;

/** Seconds between two points of a panel. */
export function stepOf(view: View, columns: number): number {
  const points = Math.max(1, Math.floor((view.width * columns) / COLUMNS));
  const wanted = (view.to - view.from) / points;
  if (wanted <= view.scrapeInterval) return view.scrapeInterval;
  return rounded(wanted);
}

/** Upper bound of what is rounded to the second number; seconds. */
const STEPS = [
  [1.5, 1],
  [3.5, 2],
  [7.5, 5],
  [12.5, 10],
  [17.5, 15],
  [25, 20],
  [45, 30],
  [90, 60],
  [210, 120],
  [450, 300],
  [750, 600],
  [1050, 900],
  [1500, 1200],
  [2700, 1800],
  [5400, 3600],
] as const;

function rounded(seconds: number): number {
  const step = STEPS.find(([below]) => seconds < below);
  if (step === undefined) throw new RangeError(`no dashboard is tried over ${seconds} s a point`);
  return step[1];
}

/** At least four scrapes, so that a rate has two even when one is late or lost. */
export const rateInterval = (step: number, scrapeInterval: number): number =>
  Math.max(step + scrapeInterval, 4 * scrapeInterval);

/** @throws RangeError when a variable is left, whose place Prometheus would not understand. */
export function interpolated(expression: string, view: View, step: number): string {
  const values: Readonly<Record<string, string>> = {
    __rate_interval: `${rateInterval(step, view.scrapeInterval)}s`,
    __interval: `${step}s`,
    __range: `${Math.round(view.to - view.from)}s`,
    ...Object.fromEntries(
      Object.entries(view.variables).map(([name, chosen]) => [name, alternatives(chosen)]),
    ),
  };
  return expression.replaceAll(
    /\$(\w+)|\$\{(\w+)\}/g,
    (_whole, plain?: string, braced?: string) => {
      const name = plain ?? braced ?? '';
      const value = values[name];
      if (value === undefined) throw new RangeError(`${expression} has the variable ${name}`);
      return value;
    },
  );
}

/** In a text of PromQL, of a variable of which several values can be chosen. */
function alternatives(values: readonly string[]): string {
  const written = values.map((value) => value.replaceAll(/[$^*{}[\]'+?.()|\\]/g, '\\\\$&'));
  return written.length === 1 ? written[0]! : `(${written.join('|')})`;
}

/** The metric, its matchers and the label of a variable's `label_values(…)`. */
export function labelValues(query: string): { series: string; label: string } {
  const [, series, label] = /^label_values\((.+), (\w+)\)$/.exec(query) ?? [];
  if (series === undefined || label === undefined) throw new RangeError(`no variable: ${query}`);
  return { series, label };
}

/** `{{label}}` is the label's value; all of them where there is no format. */
export function legend(format: string, labels: Readonly<Record<string, string>>): string {
  if (format === '') return JSON.stringify(labels);
  return format.replaceAll(/\{\{\s*(\w+)\s*\}\}/g, (_whole, name: string) => labels[name] ?? '');
}

/** Prometheus answers at multiples of the step. */
export const alignedRange = ({ from, to }: View, step: number) => ({
  start: Math.floor(from / step) * step,
  end: Math.floor(to / step) * step,
  step,
});
