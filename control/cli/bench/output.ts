/** What a benchmark has measured, for a terminal. */
import pc from 'picocolors';
import { type Comparison, compareVariants, type DocumentComparison } from '../../bench/compare.js';
import type { BenchDocument } from '../../bench/document.js';
import { allSeries, busyText, FIGURES, type Series } from '../../bench/figures.js';
import { comparisonWords } from '../../bench/words.js';
import { printable } from '../../config/diagnostic.js';
import { print, table } from '../output.js';

const HIDDEN = ['sentBytes', 'receivedBytes'];

export function printBench(document: BenchDocument): void {
  const series = allSeries(document).filter(({ figure }) => !HIDDEN.includes(figure));
  for (const line of figureLines(series)) print(line);
  printBusy(document);
  printRows('Beside the first variant', compareVariants(document));
  for (const note of document.notes) print(`${pc.yellow('note:')} ${printable(note)}`);
  print(pc.dim(printable(document.prober)));
  if (document.interrupted) print(pc.yellow('It was ended early: these are the runs until then.'));
}

/** A heading for each test and one table for all, so that it fits into 80 columns. */
export function figureLines(series: readonly Series[]): string[] {
  const counts = new Set(series.map(({ values }) => values.length));
  const hasCounts = counts.size > 1;
  const header = ['  variant', 'figure', 'median', 'from', 'to', 'MAD'];
  const rows = series.map((one) => [...cells(one), ...(hasCounts ? [`${one.values.length}`] : [])]);
  const [head = '', ...lines] = table([...header, ...(hasCounts ? ['runs'] : [])], rows);
  const [count] = counts;
  return [
    ...(hasCounts || count === undefined ? [] : [`Runs of each that count: ${count}`]),
    head,
    ...lines.flatMap((line, i) => {
      const { test } = series[i]!;
      return test === series[i - 1]?.test ? [line] : [pc.bold(printable(test)), line];
    }),
  ];
}

function cells({ variant, figure, median, min, max, mad }: Series): string[] {
  const { title, show } = FIGURES[figure];
  const deviation = median === 0 ? '-' : `${((100 * mad) / median).toFixed(1)} %`;
  return [`  ${printable(variant)}`, title, ...[median, min, max].map(show), deviation];
}

function printBusy(document: BenchDocument): void {
  const rows = document.tests.flatMap(({ name }) =>
    document.variants.flatMap((variant) => {
      const text = busyText(document, name, variant.name);
      return text === '' ? [] : [[printable(name), printable(variant.name), printable(text)]];
    }),
  );
  if (rows.length === 0) return;
  print();
  for (const line of table(['test', 'variant', 'processor time for each GB'], rows)) print(line);
}

const COLOUR = {
  better: pc.green,
  worse: pc.red,
  'no difference': (text: string) => text,
  'too few runs': pc.dim,
} as const;

function printRows(title: string, rows: readonly Comparison[]): void {
  if (rows.length === 0) return;
  print();
  print(pc.bold(title));
  for (const row of rows) {
    const { head, words } = comparisonWords(row);
    print(`  ${printable(head)}: ${COLOUR[row.verdict.kind](words)}`);
  }
}

export function printComparison(path: string, { rows, remarks }: DocumentComparison): void {
  printRows(`Compared with ${printable(path)}`, rows);
  for (const remark of remarks) print(`  ${pc.yellow('note:')} ${printable(remark)}`);
}
