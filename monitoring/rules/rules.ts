/** All rules, and the file that Prometheus loads. */
import { stringify } from 'yaml';
import { runbookUrl } from '../runbooks.js';
import { hostAlerts } from './hosts.js';
import { minutesBy, type Parameters } from './parameters.js';
import { GROUP_NAMES, type GroupName, recordingRules } from './recording.js';
import { relayAlerts } from './relay.js';
import { resourceAlerts } from './resources.js';
import { routerAlerts } from './router.js';
import type { AlertRule, Group, Settings } from './rule.js';
import { upstreamAlerts } from './upstreams.js';

const ALERTS_OF: Readonly<Record<GroupName, (settings: Settings) => AlertRule[]>> = {
  relay: relayAlerts,
  upstreams: upstreamAlerts,
  resources: resourceAlerts,
  hosts: hostAlerts,
  router: routerAlerts,
};

export function ruleGroups(parameters: Parameters): Group[] {
  const settings: Settings = { ...parameters, minutes: minutesBy(parameters.scale) };
  return GROUP_NAMES.map((group) => ({
    name: `sidetrack-${group}`,
    recordings: recordingRules(settings, group),
    alerts: ALERTS_OF[group](settings),
  }));
}

const HEADER = `# Generated from monitoring/rules; \`make docs\` writes it anew. docs/monitoring.md says how to load it and how to
# change thresholds.
`;

/** The text of sidetrack.rules.yml. @param only names of groups; all of them when absent. */
export function rulesFile(parameters: Parameters, only?: readonly string[]): string {
  const minutes = minutesBy(parameters.scale);
  const alert = (rule: AlertRule) => ({
    alert: rule.name,
    expr: rule.expr,
    ...(rule.holds !== undefined && { for: minutes(rule.holds) }),
    ...(rule.lasts !== undefined && { keep_firing_for: minutes(rule.lasts) }),
    labels: { severity: rule.severity },
    annotations: {
      summary: rule.summary,
      description: rule.description,
      runbook_url: runbookUrl(rule.name, parameters.runbooks),
    },
  });
  const wanted = ruleGroups(parameters).filter(({ name }) => only?.includes(name) ?? true);
  const groups = wanted.map(({ name, recordings, alerts }) => ({
    name,
    rules: [...recordings, ...alerts.map(alert)],
  }));
  return HEADER + stringify({ groups }, { lineWidth: 0, blockQuote: 'literal' });
}
