/** Options → what is measured through which way, how long it takes, and which ports it needs. */
import { SidetrackError } from '../error.js';
import type { Test } from './document.js';
import { divideStreams } from './iperf3.js';
import { type Order, schedule, type Turn } from './schedule.js';

export const TEST_KINDS = ['download', 'upload', 'parallel', 'latency', 'connections'] as const;
export type TestKind = (typeof TEST_KINDS)[number];

export type Family = 4 | 6;
export const FAMILIES = [4, 6] as const;

/** Where a client connects to. */
export interface Target {
  /** Address, or a name that has one of this family. */
  address: string;
  /** Of iperf3 servers, one for each process. */
  ports: readonly number[];
  /** Of the prober's echo; none where the server is not ours. */
  echo?: number;
}

/** One way to the server, such as directly or steered. */
export interface Way {
  name: string;
  description: string;
  targets: Readonly<Partial<Record<Family, Target>>>;
}

export interface PlanOptions {
  kinds: readonly TestKind[];
  /** Each family has all tests; else those after the first have the two of a single flow alone. */
  allFamilies: boolean;
  streams: number;
  /** Of a bulk test. */
  seconds: number;
  runs: number;
  order: Order;
  seed: number;
}

export interface BenchPlan {
  options: PlanOptions;
  /** Ways between which the set-up is changed are of different groups. */
  ways: readonly (readonly Way[])[];
  tests: Test[];
  turns: Turn[];
  /** About how long it takes. */
  seconds: number;
  notes: string[];
}

/** Of tests that move little. */
const SHORT_SECONDS = 1;
/** What a run takes beside its time: to start programs, to connect, to end. */
const RUN_OVERHEAD = 0.4;
/** To apply another configuration and to start a relay. */
const CHANGE_SECONDS = 4;

export const MOST = { runs: 50, seconds: 60, streams: 1000, totalSeconds: 3600 } as const;

const SINGLE: readonly TestKind[] = ['download', 'upload'];

/** @throws SidetrackError where it would take more than an hour, or there is nothing to do */
export function planBench(ways: readonly (readonly Way[])[], options: PlanOptions): BenchPlan {
  const all = ways.flat();
  const notes: string[] = [];
  const families = FAMILIES.filter((family) => all.some(({ targets }) => targets[family]));
  const tests = families.flatMap((family, i) => {
    const kinds = i === 0 || options.allFamilies ? options.kinds : options.kinds.filter(isSingle);
    const isEchoed = all.every(
      ({ targets: { [family]: one } }) => one === undefined || one.echo !== undefined,
    );
    return kinds.map((kind) => testOf(kind, family, isEchoed, options));
  });
  const turns = schedule({
    ...options,
    tests: tests.map(({ name }) => name),
    variants: ways.map((group) => group.map(({ name }) => name)),
  }).filter(({ test, variant }) => {
    const wanted = tests.find(({ name }) => name === test)!;
    const way = all.find(({ name }) => name === variant)!;
    const missing = whatIsMissing(wanted, way);
    if (missing !== undefined && !notes.includes(missing)) notes.push(missing);
    return missing === undefined;
  });
  const used = tests.filter(({ name }) => turns.some(({ test }) => test === name));
  if (turns.length === 0)
    throw new SidetrackError(`there is nothing to measure: ${notes.join('; ') || 'no tests'}`, {
      code: 'bench-nothing',
      source: 'user',
      hint: 'name other --tests, or give an address of the family: --address',
    });
  const seconds = durationOf(turns, tests, ways);
  if (seconds > MOST.totalSeconds)
    throw new SidetrackError(`that would take ${Math.round(seconds / 60)} minutes`, {
      code: 'bench-too-long',
      source: 'user',
      hint: 'less than an hour is possible with fewer --runs, a shorter --duration or fewer --tests',
    });
  return { options, ways, tests: used, turns, seconds, notes };
}

const isSingle = (kind: TestKind): boolean => SINGLE.includes(kind);

/** @param isEchoed small requests can go beside bulk everywhere, so that the test is the same for all variants */
function testOf(
  kind: TestKind,
  family: Family,
  isEchoed: boolean,
  { seconds, streams }: PlanOptions,
): Test {
  const name = `${kind}-${family}`;
  switch (kind) {
    case 'download':
    case 'upload':
      return {
        ...{ name, kind: 'bulk', family, direction: kind, streams: 1 },
        ...{ probed: false, seconds },
      };
    case 'parallel':
      return {
        ...{ name, kind: 'bulk', family, direction: 'download', streams },
        ...{ probed: isEchoed, seconds },
      };
    case 'latency':
    case 'connections':
      return { name, kind, family, probed: true, seconds: SHORT_SECONDS };
  }
}

/** Why this test cannot go this way. */
function whatIsMissing(test: Test, { name, targets }: Way): string | undefined {
  const target = targets[test.family];
  if (target === undefined) return `${name}: no IPv${test.family}`;
  if (test.kind === 'bulk') {
    const processes = divideStreams(test.streams ?? 1).length;
    if (target.ports.length >= processes) return undefined;
    return `${name}: ${test.streams} flows need ${processes} iperf3 servers, each with a port of its own; there ${target.ports.length === 1 ? 'is one' : `are ${target.ports.length}`}`;
  }
  if (target.echo !== undefined) return undefined;
  return `${name}: no latency and no connections a second: nothing there answers small requests`;
}

function durationOf(
  turns: readonly Turn[],
  tests: readonly Test[],
  ways: readonly (readonly Way[])[],
): number {
  const secondsOf = new Map(tests.map(({ name, seconds }) => [name, seconds + RUN_OVERHEAD]));
  const groupOf = new Map(ways.flatMap((group, i) => group.map(({ name }) => [name, i] as const)));
  let total = 0;
  turns.forEach(({ test, variant }, i) => {
    total += secondsOf.get(test)!;
    const before = turns[i - 1];
    if (before !== undefined && groupOf.get(before.variant) !== groupOf.get(variant))
      total += CHANGE_SECONDS;
  });
  return total;
}

/** Bulk seconds of a plan; times a rate these are its bytes. */
export const bulkSeconds = ({ turns, tests }: BenchPlan): number =>
  turns.reduce((sum, turn) => {
    const test = tests.find(({ name }) => name === turn.test);
    return sum + (test?.kind === 'bulk' ? test.seconds : 0);
  }, 0);

/** What a server of ours listens on: iperf3 for each process, and the echo behind them. */
export function serverPorts(first: number, streams: number): { iperf3: number[]; echo: number } {
  const iperf3 = divideStreams(streams).map((_, i) => first + i);
  return { iperf3, echo: first + iperf3.length };
}
