/** The text of docs/alerts.md; `make docs` writes it. */
import { pathToFileURL } from 'node:url';
import { DEFAULTS, minutesBy, type Parameters, parametersSchema } from './parameters.js';
import type { AlertRule } from './rule.js';
import { ruleGroups } from './rules.js';

const INTRO = `# Alerts

Generated from \`monitoring/rules\`; \`make docs\` writes it anew. Each alert has a page: what it means, how to see it, how to
mend it. How to load the rules and to change thresholds is in [monitoring.md](monitoring.md#alerts).

critical: clients cannot work, look now. warning: look today. info: it explains other alerts.
`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');

export function alertsReference(): string {
  const alerts = ruleGroups(DEFAULTS).flatMap((group) => group.alerts.map(alertRow));
  const recorded = ruleGroups(DEFAULTS).flatMap(({ recordings }) => recordings);
  return [
    INTRO,
    table(['alert', 'severity', 'when it has held for', 'what is the matter'], alerts),
    '\n## Parameters\n',
    table(['parameter', 'default', 'what it is'], parameterRows()),
    '\n## Recorded\n\nRates and percentiles are of five minutes.\n',
    table(
      ['series', 'expression'],
      recorded.map(({ record, expr }) => [`\`${record}\``, `\`${oneLine(expr)}\``]),
    ),
    '',
  ].join('\n');
}

function alertRow({ name, severity, holds, summary }: AlertRule): string[] {
  const time = holds === undefined ? 'at once' : minutesBy(1)(holds);
  return [`[${name}](runbooks/${name}.md)`, severity, time, summary];
}

function parameterRows(): string[][] {
  const defaults: Readonly<Record<string, Parameters[keyof Parameters]>> = DEFAULTS;
  return Object.entries(parametersSchema.shape).map(([name, schema]) => [
    `\`${name}\``,
    defaults[name] === '' ? '' : `\`${defaults[name]}\``,
    schema.description ?? '',
  ]);
}

/** A bar would end the cell. */
const oneLine = (expression: string) => expression.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|');

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href)
  process.stdout.write(alertsReference());
