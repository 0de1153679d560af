/** What is read off a run, with its words and units. */
import type { BenchDocument, FigureName, Run } from './document.js';
import { counted } from './document.js';
import { mad, median } from './statistics.js';

interface FigureKind {
  title: string;
  lessIsBetter: boolean;
  /** Compared, and judged: the others explain. */
  judged: boolean;
  /** With its unit, three digits that mean something. */
  show(value: number): string;
}

/** `12.3`, `1.23`, `123`. */
export function digits(value: number): string {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 100) return value.toFixed(0);
  return value.toFixed(size >= 10 ? 1 : size >= 0.01 ? 2 : 4);
}

const THOUSAND = 1000;

function scaled(value: number, units: readonly string[]): string {
  let [left, unit] = [value, 0];
  while (Math.abs(left) >= THOUSAND && unit < units.length - 1) {
    left /= THOUSAND;
    unit++;
  }
  return `${digits(left)} ${units[unit]}`;
}

const bytes = (value: number) => scaled(value, ['B', 'kB', 'MB', 'GB', 'TB']);
const micros = (value: number) => scaled(value, ['µs', 'ms', 's']);

export const showBytes = bytes;

export const FIGURES: Readonly<Record<FigureName, FigureKind>> = {
  bitsPerSecond: {
    title: 'throughput',
    lessIsBetter: false,
    judged: true,
    show: (value) => scaled(value, ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s', 'Tbit/s']),
  },
  latencyP50: { title: 'latency, median', lessIsBetter: true, judged: true, show: micros },
  latencyP99: { title: 'latency, 99 %', lessIsBetter: true, judged: false, show: micros },
  connectionsPerSecond: {
    title: 'connections',
    lessIsBetter: false,
    judged: true,
    show: (value) => `${digits(value)} /s`,
  },
  connectP50: { title: 'connection, median', lessIsBetter: true, judged: false, show: micros },
  relayPerGigabyte: {
    title: 'relay, CPU per GB',
    lessIsBetter: true,
    judged: true,
    show: (value) => `${digits(value)} s`,
  },
  retransmits: { title: 'retransmits', lessIsBetter: true, judged: false, show: digits },
  rtt: { title: 'RTT of the sender', lessIsBetter: true, judged: false, show: micros },
  failures: { title: 'failures', lessIsBetter: true, judged: false, show: digits },
  sentBytes: { title: 'sent', lessIsBetter: false, judged: false, show: bytes },
  receivedBytes: { title: 'received', lessIsBetter: false, judged: false, show: bytes },
};

export const FIGURE_NAMES = Object.keys(FIGURES) as FigureName[];

/** One figure of all runs of a test by way of a variant. */
export interface Series {
  test: string;
  variant: string;
  figure: FigureName;
  values: number[];
  median: number;
  mad: number;
  min: number;
  max: number;
}

export function seriesOf(
  document: BenchDocument,
  test: string,
  variant: string,
  figure: FigureName,
): Series | undefined {
  const values = counted(document, test, variant).flatMap((run) => run.figures[figure] ?? []);
  if (values.length === 0) return undefined;
  const [min, max] = [Math.min(...values), Math.max(...values)];
  return { test, variant, figure, values, median: median(values), mad: mad(values), min, max };
}

/** All that there are, in the order of tests, figures and variants. */
export function allSeries(document: BenchDocument): Series[] {
  return document.tests.flatMap((test) =>
    FIGURE_NAMES.flatMap((figure) =>
      document.variants.flatMap(
        (variant) => seriesOf(document, test.name, variant.name, figure) ?? [],
      ),
    ),
  );
}

const GIGABYTE = 1e9;

/** Processor seconds of a machine for each gigabyte that arrived; for connections, for each thousand. */
export function busyPer(run: Run, machine: string): number | undefined {
  const busy = run.busy[machine];
  const { receivedBytes } = run.figures;
  if (busy === undefined || receivedBytes === undefined || receivedBytes === 0) return undefined;
  return busy / (receivedBytes / GIGABYTE);
}

/** Of all runs: `client 0.42 s, router 1.1 s`; machines that were not asked are left out. */
export function busyText(document: BenchDocument, test: string, variant: string): string {
  const runs = counted(document, test, variant);
  const parts = document.machines.flatMap(({ name }) => {
    const values = runs.flatMap((run) => busyPer(run, name) ?? []);
    return values.length === 0 ? [] : [`${name} ${digits(median(values))} s`];
  });
  return parts.join(', ');
}
