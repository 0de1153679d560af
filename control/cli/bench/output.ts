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
  const header = ['test', 'variant', 'figure', 'median', 'from', 'to', 'MAD', 'runs'];
  for (const line of table(header, series.map(cells))) print(line);
  printBusy(document);
  printRows('Beside the first variant', compareVariants(document));
  for (const note of document.notes) print(`${pc.yellow('note:')} ${printable(note)}`);
  print(pc.dim(printable(document.prober)));
  if (document.interrupted) print(pc.yellow('It was ended early: these are the runs until then.'));
}

function cells({ test, variant, figure, median, min, max, mad, values }: Series): string[] {
  const { title, show } = FIGURES[figure];
  const numbers = [median, min, max, mad].map(show);
  return [printable(test), printable(variant), title, ...numbers, `${values.length}`];
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
