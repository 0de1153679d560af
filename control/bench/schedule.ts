/** Which run comes when: what is compared takes turns, so that a slow minute of the machine touches all alike. */
import { random, shuffled } from './statistics.js';

/** `abba`: there and back again; `random`: each round in an order of its own. */
export const ORDERS = ['abba', 'random'] as const;
export type Order = (typeof ORDERS)[number];

export interface ScheduleInput {
  /** Runs of each that count. One more comes first, which warms up and is discarded. */
  runs: number;
  tests: readonly string[];
  /** What the tests are run through, in groups: within a group the change costs nothing, between groups it does. */
  variants: readonly (readonly string[])[];
  order: Order;
  seed: number;
}

export interface Turn {
  /** 0 is the first, whose runs are discarded. */
  round: number;
  test: string;
  variant: string;
}

/** Each round has each test with each variant once. */
export function schedule({ runs, tests, variants, order, seed }: ScheduleInput): Turn[] {
  const next = random(seed);
  const ordered = <T>(values: readonly T[], round: number): T[] => {
    if (order === 'random') return shuffled(values, next);
    return round % 2 === 0 ? [...values] : values.toReversed();
  };
  const rounds = Array.from({ length: runs + 1 }, (_, round) => round);
  return rounds.flatMap((round) =>
    ordered(variants, round).flatMap((group) =>
      tests.flatMap((test, i) =>
        ordered(group, round + i).map((variant) => ({ round, test, variant })),
      ),
    ),
  );
}
