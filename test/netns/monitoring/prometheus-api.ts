/** What Prometheus's HTTP API answers, as far as tests look at it. */
import { z } from 'zod';

const labels = z.record(z.string(), z.string());

/** Seconds since 1970 and a value, which is text because JSON has no NaN. */
const point = z
  .tuple([z.number(), z.string()])
  .transform(([at, text]) => ({ at, value: readNumber(text) }));

const readNumber = (text: string): number =>
  text.endsWith('Inf') ? Number(text.replace('Inf', 'Infinity')) : Number(text);

export interface Point {
  /** Seconds since 1970. */
  at: number;
  value: number;
}

export interface Sample extends Point {
  labels: Readonly<Record<string, string>>;
}

export interface Series {
  labels: Readonly<Record<string, string>>;
  points: readonly Point[];
}

const success = <T extends z.ZodType>(data: T) => z.object({ status: z.literal('success'), data });

const vector = z
  .object({
    resultType: z.literal('vector'),
    result: z.array(z.object({ metric: labels, value: point })),
  })
  .transform(({ result }) => result.map(({ metric, value }) => ({ labels: metric, ...value })));

const scalar = z
  .object({ resultType: z.literal('scalar'), result: point })
  .transform(({ result }) => [{ labels: {}, ...result }]);

export const instantAnswer: z.ZodType<Sample[]> = success(z.union([vector, scalar])).transform(
  ({ data }) => data,
);

export const rangeAnswer: z.ZodType<Series[]> = success(
  z.object({ result: z.array(z.object({ metric: labels, values: z.array(point) })) }),
).transform(({ data }) =>
  data.result.map(({ metric, values }) => ({ labels: metric, points: values })),
);

const alert = z.object({
  labels,
  annotations: labels,
  state: z.enum(['pending', 'firing']),
  activeAt: z.string(),
  value: z.string(),
});

/** `labels` hold `alertname` and `severity`. */
export type Alert = z.infer<typeof alert>;

export const alertsAnswer: z.ZodType<Alert[]> = success(
  z.object({ alerts: z.array(alert) }),
).transform(({ data }) => data.alerts);

const rule = z.object({
  name: z.string(),
  query: z.string(),
  type: z.enum(['alerting', 'recording']),
  /** `ok`, `err`, or `unknown` before the first evaluation. */
  health: z.string(),
  lastError: z.string().optional(),
  state: z.enum(['inactive', 'pending', 'firing']).optional(),
});

export type Rule = z.infer<typeof rule>;

export const rulesAnswer: z.ZodType<Rule[]> = success(
  z.object({ groups: z.array(z.object({ rules: z.array(rule) })) }),
).transform(({ data }) => data.groups.flatMap(({ rules }) => rules));

const target = z.object({
  labels,
  scrapeUrl: z.string(),
  health: z.enum(['up', 'down', 'unknown']),
  lastError: z.string(),
  /** Seconds. */
  lastScrapeDuration: z.number(),
});

/** `labels` hold `job` and `instance`. */
export type Target = z.infer<typeof target>;

export const targetsAnswer: z.ZodType<Target[]> = success(
  z.object({ activeTargets: z.array(target) }),
).transform(({ data }) => data.activeTargets);
