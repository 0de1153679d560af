/** Cases of an alert as data, and promtool's file of them. A sample and an evaluation a minute. */
import { stringify } from 'yaml';
import { DEFAULTS } from '../../../../monitoring/rules/parameters.js';
import type { AlertRule } from '../../../../monitoring/rules/rule.js';
import { ruleGroups } from '../../../../monitoring/rules/rules.js';
import { type AlertName, runbookUrl } from '../../../../monitoring/runbooks.js';

/** Selectors of single series, and their values in promtool's notation: `0x5` are six zeros. */
export type SeriesOfCase = Readonly<Record<string, string>>;

interface Firing {
  /** Besides the severity. */
  readonly labels: Readonly<Record<string, string>>;
  readonly description: string;
}

interface Case {
  readonly when: string;
  readonly series: SeriesOfCase;
  /** Minutes after the first sample. */
  readonly at: number;
}

export interface CasesOfAlert {
  readonly fires: readonly [FiringCase, ...FiringCase[]];
  /** Near-misses. */
  readonly quiet: readonly [Case, ...Case[]];
}

type FiringCase = Case & Firing;

/** Labels of the targets. */
export const RELAY = { job: 'sidetrack-relay', instance: 'server1:9150' } as const;
export const EXPORTER = { job: 'sidetrack-exporter', instance: 'server1:9151' } as const;

/** What `promtool test rules` reads; beside it the rules of each group are in a file of that name. */
export function promtoolFile(alert: AlertName, { fires, quiet }: CasesOfAlert): string {
  const isIt = ({ name }: AlertRule) => name === alert;
  const group = ruleGroups(DEFAULTS).find(({ alerts }) => alerts.some(isIt))!;
  const rule = group.alerts.find(isIt)!;
  const expectation = ({ labels, description }: Firing) => ({
    exp_labels: { severity: rule.severity, ...labels },
    exp_annotations: { summary: rule.summary, description, runbook_url: runbookUrl(alert) },
  });
  const test = ({ when, series, at }: Case, expected: readonly Firing[]) => ({
    name: when,
    interval: '1m',
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    alert_rule_test: [
      { eval_time: `${at}m`, alertname: alert, exp_alerts: expected.map(expectation) },
    ],
  });
  return stringify({
    rule_files: [`${group.name}.yml`],
    evaluation_interval: '1m',
    tests: [...fires.map((one) => test(one, [one])), ...quiet.map((one) => test(one, []))],
  });
}
