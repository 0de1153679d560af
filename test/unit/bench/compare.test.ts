import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { compareDocuments, compareVariants } from '../../../control/bench/compare.js';
import { parseBenchDocument } from '../../../control/bench/document.js';
import { allSeries, busyText, digits, FIGURES } from '../../../control/bench/figures.js';
import { comparisonWords, percent } from '../../../control/bench/words.js';
import { benchDocument } from './documents.js';

const file = JSON.stringify(benchDocument());

describe('a result that is read again', () => {
  it('is what was written', () => {
    expect(parseBenchDocument('old.json', file)).toEqual(benchDocument());
  });

  it('may have a comparison with it, which is passed over', () => {
    const more = JSON.stringify({ ...benchDocument(), comparison: { rows: [] } });
    expect(parseBenchDocument('old.json', more)).toEqual(benchDocument());
  });

  it.each([
    ['', 'it is empty'],
    ['{"version": 2}', 'its version is 2, which this sidetrack does not know'],
    ['{}', 'it has no version'],
    ['[]', 'expected object, received array'],
    ['nonsense', 'it is no JSON'],
    [file.slice(0, -10), 'its JSON has no end; was the file cut off?'],
    [file.replace('"seconds":2', '"seconds":"x"'), 'settings.seconds: expected number'],
  ])('%.20s: %s', (text, problem) => {
    expect(() => parseBenchDocument('old.json', text)).toThrow(
      `old.json is no result of sidetrack bench: ${problem}`,
    );
  });

  it('never does anything but fit or be told', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(() => parseBenchDocument('x', text)).toThrow('x is no result of sidetrack bench');
      }),
    );
  });
});

describe('before and after', () => {
  const kinds = (factor: number) =>
    compareDocuments(benchDocument(), benchDocument({ factor, seed: 2 })).rows.map(
      ({ test, figure, after, verdict }) => `${test} ${after.variant} ${figure} ${verdict.kind}`,
    );

  it('of the same thing there is no difference', () => {
    for (const row of kinds(1)) expect(row).toMatch(/no difference$/);
    expect(kinds(1)).toHaveLength(5);
  });

  it('a tenth less throughput, a tenth more latency are worse; the other way round better', () => {
    for (const row of kinds(0.9)) expect(row).toMatch(/worse$/);
    for (const row of kinds(1.1)) expect(row).toMatch(/better$/);
  });

  it('says what is in one of them alone, and which machine is another one', () => {
    const after = benchDocument({ seed: 2 });
    after.tests = [...after.tests, { ...after.tests[0]!, name: 'download-6', family: 6 }];
    after.machines = after.machines.map((one) => ({ ...one, kernel: 'Linux 7.0' }));
    const { remarks } = compareDocuments({ ...benchDocument(), interrupted: true }, after);
    expect(remarks).toEqual([
      'only in the new result, or another test there: download-6',
      'the old result was interrupted',
      'client: kernel was Linux 6.1, is Linux 7.0',
      'server: kernel was Linux 6.12, is Linux 7.0',
    ]);
  });

  it('runs of another length are another test', () => {
    const longer = benchDocument({ seconds: 4 });
    const { rows, remarks } = compareDocuments(benchDocument(), longer);
    expect(rows.map(({ test }) => test)).not.toContain('download-4');
    expect(remarks[0]).toContain('only in the old result, or another test there: download-4');
    longer.tests = longer.tests.slice(0, 1);
    const nothing = compareDocuments(benchDocument(), longer);
    expect(nothing.rows).toEqual([]);
    expect(nothing.remarks[0]).toMatch(/no test in common: the old one has download-4 \(2 s\)/);
  });
});

it('each way is set beside the first', () => {
  const rows = compareVariants(benchDocument());
  expect(rows.map(({ figure, verdict }) => `${figure} ${verdict.kind}`)).toEqual([
    'bitsPerSecond worse',
    'latencyP50 no difference',
  ]);
  const { head, words } = comparisonWords(rows[0]!);
  expect(head).toBe('download-4, steered against direct, throughput');
  expect(words).toMatch(/^\d.\d\d Gbit\/s → \d+ Mbit\/s: worse, -50 % \(95 %: -5\d %/);
});

it('where runs differ wildly, it says so and no number that nobody could use', () => {
  const wild = benchDocument();
  wild.runs = wild.runs.map((run, i) => ({ ...run, figures: { bitsPerSecond: 10 ** (i % 7) } }));
  const { words } = comparisonWords(compareVariants(wild)[0]!);
  expect(words).toContain('only one of more than 100 % would show, for one of 5 % it is too noisy');
  const calm = compareDocuments(benchDocument(), benchDocument({ seed: 2 })).rows[0]!;
  expect(comparisonWords(calm).words).toMatch(
    /one of [\d.]+ % would show, one of 5 % needs 5 runs/,
  );
});

it('runs that warm up or fail do not count', () => {
  const document = benchDocument({ runs: 5 });
  const last = document.runs.at(-1)!;
  document.runs = document.runs.map((run) => (run === last ? { ...run, problem: 'busy' } : run));
  const counts = allSeries(document).map(({ values }) => values.length);
  expect(Math.max(...counts)).toBe(5);
  const of = (variant: string) =>
    allSeries(document).find((one) => one.test === 'latency-4' && one.variant === variant);
  expect([of('direct')!.values.length, of('steered')!.values.length]).toEqual([5, 4]);
});

it('processor time is told for each gigabyte that arrived, by machine', () => {
  expect(busyText(benchDocument(), 'download-4', 'direct')).toBe('client 1.00 s, server 0.50 s');
  expect(busyText(benchDocument(), 'latency-4', 'direct')).toBe('');
});

it.each([
  [0, '0'],
  [0.00123, '0.0012'],
  [1.234, '1.23'],
  [12.34, '12.3'],
  [1234.5, '1235'],
])('%d is shown as %s', (value, text) => {
  expect(digits(value)).toBe(text);
});

it('units are those that people use', () => {
  expect(FIGURES.bitsPerSecond.show(9.41e8)).toBe('941 Mbit/s');
  expect(FIGURES.latencyP50.show(1500)).toBe('1.50 ms');
  expect(FIGURES.receivedBytes.show(5e12)).toBe('5.00 TB');
  expect(percent(0.125)).toBe('+13 %');
  expect(percent(-0.004)).toBe('-0.4 %');
  expect(percent(Number.POSITIVE_INFINITY)).toBe('from nothing');
});
