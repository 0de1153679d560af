/** What `make load` found, for people and for programs. Pure. */
import { element, escaped, type Html, tableOf } from '../../../control/bench/html.js';
import { STYLE } from '../../../control/bench/style.js';
import type { PhaseResult } from './phase.js';
import type { SoakResult } from './soak.js';
import type { Check } from './sums.js';

export interface LoadReport {
  /** Raised when what is there already changes its meaning. */
  version: 1;
  date: string;
  machine: string;
  phases: readonly PhaseResult[];
  soak?: SoakResult;
  /** Why it ended early. */
  error?: string;
}

export const checksOf = ({ phases, soak }: LoadReport): Check[] => [
  ...phases.flatMap(({ checks }) => checks),
  ...(soak?.checks ?? []),
];

export function isFine(report: LoadReport): boolean {
  return report.error === undefined && checksOf(report).every(({ ok }) => ok);
}

const HEADER = ['load', 'connections', 'seconds', 'Gbit/s', 'retransmits', 'checks'];

function rowsOf({ phases, soak }: LoadReport): string[][] {
  const verdict = (checks: readonly Check[]) => {
    const failed = checks.filter(({ ok }) => !ok).length;
    return failed === 0 ? `${checks.length} ok` : `${failed} of ${checks.length} VIOLATED`;
  };
  const rows = phases.map((one) => [
    ...[one.name, `${one.connections}`, one.seconds.toFixed(1)],
    one.bitsPerSecond === undefined ? '-' : (one.bitsPerSecond / 1e9).toFixed(2),
    one.retransmits === undefined ? '-' : `${one.retransmits}`,
    verdict(one.checks),
  ]);
  if (soak === undefined) return rows;
  const { rounds, connections, seconds, checks } = soak;
  const name = `soak, ${rounds} rounds`;
  return [...rows, [name, `${connections}`, seconds.toFixed(1), '-', '-', verdict(checks)]];
}

/** Columns beside each other, then each check that is violated. */
export function renderText(report: LoadReport): string {
  const rows = [HEADER, ...rowsOf(report)];
  const widths = HEADER.map((_, i) => Math.max(...rows.map((row) => row[i]!.length)));
  const lines = rows.map((row) =>
    row
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
  return [...lines, ...repetitions(report), ...violations(report)].join('\n');
}

const repetitions = ({ phases }: LoadReport): string[] =>
  phases.flatMap(({ name, repeated = [] }) => repeated.map((why) => `repeated ${name}: ${why}`));

function violations({ phases, soak, error }: LoadReport): string[] {
  const all = [...phases, ...(soak === undefined ? [] : [{ name: 'soak', checks: soak.checks }])];
  const found = all.flatMap(({ name, checks }) =>
    checks.filter(({ ok }) => !ok).map((one) => `VIOLATED ${name}: ${one.name}: ${one.detail}`),
  );
  return error === undefined ? found : [...found, `it ended early: ${error}`];
}

/** The same with every check and its numbers, as one page that needs nothing else. */
export function renderHtml(report: LoadReport): string {
  const title = `make load, ${report.date.slice(0, 16).replace('T', ' ')} UTC`;
  const versions = [...new Set(report.phases.flatMap(({ version }) => version ?? []))];
  const all = [
    ...report.phases,
    ...(report.soak === undefined ? [] : [{ name: 'soak', ...report.soak }]),
  ];
  const checks = all.flatMap(({ name, checks }) =>
    checks.map((one) => [name, one.ok ? 'ok' : 'VIOLATED', one.name, one.detail]),
  );
  const body = [
    element('h1', title),
    element('p', `${report.machine}; iperf3 ${versions.join(', ') || '-'}.`),
    ...violations(report).map((line) => element('p', line, { class: 'worse' })),
    ...repetitions(report).map((line) => element('p', line)),
    tableOf(HEADER, rowsOf(report)),
    element('h2', 'Every check'),
    tableOf(['load', '', 'check', 'numbers'], checks),
    ...(report.soak === undefined ? [] : soakTable(report.soak)),
  ];
  return [
    '<!DOCTYPE html>',
    '<html lang="en"><head><meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escaped(title)}</title><style>${STYLE}</style></head><body>`,
    ...body.map(({ html }) => html),
    '</body></html>',
    '',
  ].join('\n');
}

function soakTable({ samples }: SoakResult): Html[] {
  const rows = samples.map(({ memory, descriptors, pipes }, i) =>
    [i, (memory / 1e6).toFixed(1), descriptors, pipes].map(String),
  );
  return [
    element('h2', 'The relay after each round of the soak'),
    tableOf(['round', 'resident MB', 'descriptors', 'pipes'], rows),
  ];
}
