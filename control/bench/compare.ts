/** Two documents, or two variants of one, side by side. */
import type { BenchDocument, FigureName, Test } from './document.js';
import { FIGURE_NAMES, FIGURES, type Series, seriesOf } from './figures.js';
import { compareRuns, type Verdict } from './verdict.js';

export interface Comparison {
  test: string;
  figure: FigureName;
  before: Series;
  after: Series;
  verdict: Verdict;
}

/** The test is the same: only then are two figures of one thing. */
const sameTest = (a: Test, b: Test): boolean =>
  a.name === b.name &&
  a.kind === b.kind &&
  a.family === b.family &&
  a.direction === b.direction &&
  a.streams === b.streams &&
  a.probed === b.probed &&
  a.seconds === b.seconds;

const JUDGED = FIGURE_NAMES.filter((name) => FIGURES[name].judged);

function compared(figure: FigureName, before: Series, after: Series): Comparison {
  const { lessIsBetter } = FIGURES[figure];
  const verdict = compareRuns(before.values, after.values, { lessIsBetter });
  return { test: after.test, figure, before, after, verdict };
}

/** Each variant beside the first, which is the way around where there is one. */
export function compareVariants(document: BenchDocument): Comparison[] {
  const [base, ...others] = document.variants;
  if (base === undefined) return [];
  return document.tests.flatMap(({ name }) =>
    JUDGED.flatMap((figure) =>
      others.flatMap((other) => {
        const before = seriesOf(document, name, base.name, figure);
        const after = seriesOf(document, name, other.name, figure);
        return before && after ? [compared(figure, before, after)] : [];
      }),
    ),
  );
}

export interface DocumentComparison {
  rows: Comparison[];
  /** What is in one of them alone, and what else has changed. */
  remarks: string[];
}

/** Without rows where they have nothing in common; the remarks say what each has. */
export function compareDocuments(before: BenchDocument, after: BenchDocument): DocumentComparison {
  const rows = after.tests.flatMap((test) =>
    before.tests.some((one) => sameTest(one, test))
      ? JUDGED.flatMap((figure) =>
          after.variants.flatMap(({ name }) => {
            const old = seriesOf(before, test.name, name, figure);
            const now = seriesOf(after, test.name, name, figure);
            return old && now ? [compared(figure, old, now)] : [];
          }),
        )
      : [],
  );
  const nothing =
    rows.length > 0
      ? []
      : [
          `the two results have no test in common: the old one has ${namesOf(before)}, the new one ${namesOf(after)}; measure with the same --tests, --duration and --streams`,
        ];
  const remarks = [...nothing, ...otherTests(before, after), ...otherMachines(before, after)];
  return { rows, remarks };
}

const namesOf = ({ tests, variants }: BenchDocument): string =>
  `${tests.map(({ name, seconds }) => `${name} (${seconds} s)`).join(', ') || 'no tests'} by way of ${variants.map(({ name }) => name).join(', ') || 'nothing'}`;

function otherTests(before: BenchDocument, after: BenchDocument): string[] {
  const only = (one: BenchDocument, other: BenchDocument, words: string) => {
    const names = one.tests
      .filter((test) => !other.tests.some((each) => sameTest(each, test)))
      .map(({ name }) => name);
    return names.length === 0 ? [] : [`${words}: ${names.join(', ')}`];
  };
  return [
    ...only(before, after, 'only in the old result, or another test there'),
    ...only(after, before, 'only in the new result, or another test there'),
    ...(before.interrupted ? ['the old result was interrupted'] : []),
    ...(after.interrupted ? ['the new result was interrupted'] : []),
  ];
}

/** What changes figures, and is no change of ours. */
function otherMachines(before: BenchDocument, after: BenchDocument): string[] {
  return after.machines.flatMap((now) => {
    const old = before.machines.find(({ name }) => name === now.name);
    if (old === undefined) return [];
    const keys = ['kernel', 'cpu', 'cores', 'iperf3', 'congestion', 'mtu'] as const;
    return keys.flatMap((key) =>
      old[key] === now[key]
        ? []
        : [`${now.name}: ${key} was ${old[key] ?? 'unknown'}, is ${now[key] ?? 'unknown'}`],
    );
  });
}
