/** A document as one page of HTML that needs nothing else: no script, no other file, no network. */
import { barChart } from './chart.js';
import { type Comparison, compareVariants, type DocumentComparison } from './compare.js';
import { type BenchDocument, counted, type Machine, type Test } from './document.js';
import {
  allSeries,
  busyPer,
  digits,
  FIGURE_NAMES,
  FIGURES,
  type Series,
  seriesOf,
} from './figures.js';
import { element, escaped, type Html, rawHtml, tableOf } from './html.js';
import { median } from './statistics.js';
import { STYLE } from './style.js';
import { comparisonWords } from './words.js';

export interface NamedComparison extends DocumentComparison {
  /** Of the file that it was compared with. */
  name: string;
}

export function renderReport(document: BenchDocument, comparison?: NamedComparison): string {
  const title = `sidetrack bench, ${document.at.slice(0, 16).replace('T', ' ')} UTC`;
  const body = [
    element('h1', title),
    summary(document),
    ...(comparison ? [comparedWith(comparison)] : []),
    ...verdicts('Beside the first variant', compareVariants(document)),
    element('h2', 'Figures'),
    element('p', `Bar: the median. Dots: the runs. ${capitalised(document.prober)}.`, {
      class: 'faint',
    }),
    element('div', charts(document), { class: 'charts' }),
    figuresTable(document),
    busyTable(document),
    element('h2', 'Machines'),
    tableOf(['', ...document.machines.map(({ name }) => name)], machineRows(document.machines)),
    element('h2', 'Every run'),
    element('p', 'Round 0 warms up and does not count.', { class: 'faint' }),
    runsTable(document),
  ];
  return [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">`,
    `<title>${escaped(title)}</title>`,
    `<style>${STYLE}</style>`,
    '</head>',
    '<body>',
    ...body.map(({ html }) => html),
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function summary({ settings, variants, notes, interrupted, sidetrack }: BenchDocument): Html {
  const { runs, seconds, order, seed } = settings;
  const words = `Runs of each test that count: ${runs}, of ${seconds} s; one more came first and was discarded; order ${order}, seed ${seed}; sidetrack ${sidetrack}.`;
  const early = interrupted ? [element('p', 'It was ended early.', { class: 'worse' })] : [];
  const ways = variants.map(({ name, description }) =>
    element('li', [element('b', name), rawHtml(`: ${escaped(description)}`)]),
  );
  const remarks = notes.map((note) => element('li', note));
  return element('section', [
    element('p', words),
    ...early,
    element('ul', ways),
    ...(remarks.length > 0 ? [element('h3', 'Notes'), element('ul', remarks)] : []),
  ]);
}

function comparedWith({ name, rows, remarks }: NamedComparison): Html {
  return element('section', [
    ...verdicts(`Compared with ${name}`, rows),
    ...(remarks.length > 0
      ? [
          element(
            'ul',
            remarks.map((one) => element('li', one)),
          ),
        ]
      : []),
  ]);
}

const CLASSES = {
  better: 'better',
  worse: 'worse',
  'no difference': 'same',
  'too few runs': 'faint',
} as const;

function verdicts(title: string, rows: readonly Comparison[]): Html[] {
  if (rows.length === 0) return [];
  const items = rows.map((row) => {
    const { head, words } = comparisonWords(row);
    const mark = element('span', row.verdict.kind, { class: `mark ${CLASSES[row.verdict.kind]}` });
    return element('li', [mark, element('b', ` ${head}`), rawHtml(`<br>${escaped(words)}`)]);
  });
  return [element('h2', title), element('ul', items, { class: 'verdicts' })];
}

const CHARTED = FIGURE_NAMES.filter((name) => FIGURES[name].judged || name === 'latencyP99');

function charts(document: BenchDocument): Html[] {
  return document.tests.flatMap((test) =>
    CHARTED.flatMap((figure) => {
      const rows = document.variants.flatMap(
        ({ name }) => seriesOf(document, test.name, name, figure) ?? [],
      );
      if (rows.length === 0) return [];
      const { title, show, lessIsBetter } = FIGURES[figure];
      const better = lessIsBetter ? 'less is better' : 'more is better';
      const bars = rows.map(({ variant, values, median: middle }) => ({
        label: variant,
        values,
        median: middle,
        kind: document.variants.findIndex(({ name }) => name === variant),
      }));
      const subtitle = `${titleOf(test)}; ${better}`;
      return [barChart({ title: `${test.name}: ${title}`, subtitle, bars, show })];
    }),
  );
}

export function titleOf({ name, kind, streams = 1, direction, family, probed }: Test): string {
  if (kind === 'latency') return `small requests alone, IPv${family}`;
  if (kind === 'connections') return `connect, 64 bytes, close; IPv${family}`;
  const load = probed ? ', with small requests' : '';
  const flows = streams === 1 ? '1 flow' : `${streams} flows`;
  return `${direction ?? name}, ${flows}, IPv${family}${load}`;
}

function figuresTable(document: BenchDocument): Html {
  const rows = allSeries(document).map(({ test, variant, figure, ...one }: Series) => {
    const { title, show } = FIGURES[figure];
    const numbers = [one.median, one.min, one.max, one.mad].map(show);
    return [test, variant, title, ...numbers, `${one.values.length}`];
  });
  return tableOf(['test', 'variant', 'figure', 'median', 'from', 'to', 'MAD', 'runs'], rows);
}

function busyTable(document: BenchDocument): Html {
  const names = document.machines
    .map(({ name }) => name)
    .filter((name) => document.runs.some(({ busy }) => busy[name] !== undefined));
  const rows = document.tests.flatMap(({ name: test }) =>
    document.variants.flatMap(({ name: variant }) => {
      const runs = counted(document, test, variant);
      const cells = names.map((name) => {
        const values = runs.flatMap((run) => busyPer(run, name) ?? []);
        return values.length === 0 ? '' : `${digits(median(values))} s`;
      });
      return cells.some(Boolean) ? [[test, variant, ...cells]] : [];
    }),
  );
  if (rows.length === 0) return rawHtml('');
  return element('section', [
    element('h3', 'Processor time for each GB, by machine'),
    tableOf(['test', 'variant', ...names], rows),
  ]);
}

function machineRows(machines: readonly Machine[]): string[][] {
  const row = (title: string, read: (one: Machine) => string | number | undefined) => {
    const cells = machines.map((one) => `${read(one) ?? ''}`);
    return cells.some(Boolean) ? [[title, ...cells]] : [];
  };
  return [
    ...row('host', ({ address }) => address),
    ...row('kernel', ({ kernel }) => kernel),
    ...row('processor', ({ cpu, cores }) => (cpu ? `${cores ?? '?'} × ${cpu}` : cores)),
    ...row('iperf3', ({ iperf3 }) => iperf3),
    ...row('congestion control', ({ congestion }) => congestion),
    ...row('interface', ({ device, mtu }) => device && `${device}${mtu ? `, MTU ${mtu}` : ''}`),
    ...row('offloads', ({ offloads }) => offloads?.join(', ')),
  ];
}

function runsTable(document: BenchDocument): Html {
  const used = FIGURE_NAMES.filter((name) =>
    document.runs.some(({ figures }) => figures[name] !== undefined),
  );
  const rows = document.runs.map(({ round, test, variant, at, figures, problem }) => [
    `${round}`,
    at.slice(11, 19),
    test,
    variant,
    ...used.map((name) => {
      const value = figures[name];
      return value === undefined ? '' : FIGURES[name].show(value);
    }),
    problem ?? '',
  ]);
  const header = [
    'round',
    'UTC',
    'test',
    'variant',
    ...used.map((name) => FIGURES[name].title),
    '',
  ];
  return element('details', [
    element('summary', `${document.runs.length} runs`),
    tableOf(header, rows),
  ]);
}

const capitalised = (text: string): string => text.slice(0, 1).toUpperCase() + text.slice(1);
