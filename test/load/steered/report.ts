/** What `make load` found, for people and for programs. Pure. */
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
  return [...lines, ...violations(report)].join('\n');
}

function violations({ phases, soak, error }: LoadReport): string[] {
  const all = [...phases, ...(soak === undefined ? [] : [{ name: 'soak', checks: soak.checks }])];
  const found = all.flatMap(({ name, checks }) =>
    checks.filter(({ ok }) => !ok).map((one) => `VIOLATED ${name}: ${one.name}: ${one.detail}`),
  );
  return error === undefined ? found : [...found, `it ended early: ${error}`];
}

/** The same with every check and its numbers. */
export function renderMarkdown(report: LoadReport): string {
  const row = (cells: readonly string[]) => `| ${cells.map(escaped).join(' | ')} |`;
  const checks = [
    ...report.phases,
    ...(report.soak === undefined ? [] : [{ name: 'soak', checks: report.soak.checks }]),
  ].flatMap(({ name, checks }) =>
    checks.map((one) => row([name, one.ok ? 'ok' : 'VIOLATED', one.name, one.detail])),
  );
  const versions = [...new Set(report.phases.flatMap(({ version }) => version ?? []))];
  return [
    `# Load test of ${report.date}`,
    '',
    `${report.machine}; iperf3 ${versions.join(', ') || '-'}.`,
    '',
    ...[row(HEADER), row(HEADER.map(() => '---')), ...rowsOf(report).map(row)],
    '',
    ...[row(['load', '', 'check', 'numbers']), row(['---', '---', '---', '---']), ...checks],
    '',
    ...violations(report).map((line) => `- ${line}`),
    '',
  ].join('\n');
}

const escaped = (text: string) => text.replace(/\|/g, '\\|');
