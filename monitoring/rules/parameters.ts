/** What can be set when the rules are generated: thresholds, names of jobs, and how long anything takes. */
import { z } from 'zod';
import { RUNBOOKS, runbookUrl } from '../runbooks.js';

/** In labels and PromQL these stand as they are, so nothing may end a text there. */
const jobName = z.string().regex(/^[\w.-]+$/, 'a job name has letters, digits, "_", "." and "-"');
const labelName = z.string().regex(/^[a-zA-Z_]\w*$/, 'is no name of a label');
const positive = z.coerce.number().positive();
const share = z.coerce.number().gt(0).lte(1);

/** Rules and pages show it as a link: a script or a file is none. */
function isLink(pattern: string): boolean {
  const url = runbookUrl('SidetrackRelayDown', pattern);
  return URL.canParse(url) && ['http:', 'https:'].includes(new URL(url).protocol);
}

/** Each with what it is; docs/monitoring.md has them as a table. */
export const parametersSchema = z.strictObject({
  relay_job: jobName
    .default('sidetrack-relay')
    .describe('job by which Prometheus scrapes the relay'),
  exporter_job: jobName
    .default('sidetrack-exporter')
    .describe('job by which Prometheus scrapes the exporter'),
  site_label: z
    .union([z.literal(''), labelName])
    .default('')
    .describe(
      'label of targets that tells several set-ups in one Prometheus apart; empty where there is one',
    ),
  runbooks: z
    .string()
    .refine((pattern) => pattern.includes('{alert}'), 'has no {alert}')
    .refine(isLink, 'is no http or https URL')
    .default(RUNBOOKS)
    .describe(
      'where the run-books are; `{port}` is the relay’s port 9150, or 9151 for alerts that fire while it is down',
    ),
  scale: positive
    .default(1)
    .describe('factor for every time but the thresholds: 1/60 makes seconds of minutes, for tests'),
  ceiling: share
    .default(0.85)
    .describe('share of a limit from which on head-room, conntrack, ports and flow table alert'),
  connect_error_share: share
    .default(0.2)
    .describe('share of new connections that no upstream could connect'),
  connect_p99_seconds: positive.default(2.5).describe('99th percentile of the time to connect'),
  residency_p99_seconds: positive
    .default(0.05)
    .describe('99th percentile of the time that bytes are in the relay'),
  thread_busy: share.default(0.95).describe('busy share of one thread'),
  connections_least: positive
    .default(50)
    .describe('connections in five minutes below which shares and percentiles say nothing'),
  unsteered_flows: positive
    .default(5)
    .describe('flows handed over in five minutes of which the relay must have got one'),
  denied_least: positive.default(50).describe('refusals of the guard in ten minutes'),
  denied_growth: positive
    .default(3)
    .describe('how many times as many refusals as in the hour before'),
  half_open: positive.default(20).describe('handshakes of clients that stay half open'),
  loops: positive.default(10).describe('connections to the relay itself in five minutes'),
  restarts: z.coerce
    .number()
    .min(0)
    .default(2)
    .describe('starts of the relay in 15 minutes that are still normal'),
  server_returns: z.coerce
    .number()
    .min(0)
    .default(3)
    .describe('times in 15 minutes that a server may come back'),
  heartbeats_ignored: z.coerce
    .number()
    .min(0)
    .default(10)
    .describe('ignored heartbeats in five minutes that are still strays'),
  reading_age_seconds: positive
    .default(300)
    .describe('age of what the exporter, or its textfile, says of a host'),
  list_age_days: positive.default(8).describe('age of the file behind a set'),
  list_static: z
    .string()
    .regex(/^[^"\\\n]*$/, 'has a quote or a backslash')
    .default('')
    .describe('regular expression of the sets that are never updated; empty: none is'),
});

export type Parameters = z.output<typeof parametersSchema>;

export const DEFAULTS: Parameters = parametersSchema.parse({});

/** PromQL's notation of so many minutes, by the scale; a second at least. */
export type Minutes = (minutes: number) => string;

const UNITS = [
  ['d', 86_400_000],
  ['h', 3_600_000],
  ['m', 60_000],
  ['s', 1000],
] as const;

export const minutesBy =
  (scale: number): Minutes =>
  (minutes) => {
    const ms = Math.max(1000, Math.round(minutes * 60 * scale) * 1000);
    const [unit, size] = UNITS.find(([, one]) => ms % one === 0)!;
    return `${ms / size}${unit}`;
  };
