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

export interface Slot {
  /** 0 is the first, whose runs are discarded. */
  round: number;
  test: string;
  variant: string;
}

/** Each round has each test with each variant once. */
export function schedule({ runs, tests, variants, order, seed }: ScheduleInput): Slot[] {
  const next = random(seed);
  const turned = <T>(values: readonly T[], turn: number): T[] => {
    if (order === 'random') return shuffled(values, next);
    return turn % 2 === 0 ? [...values] : values.toReversed();
  };
  const rounds = Array.from({ length: runs + 1 }, (_, round) => round);
  return rounds.flatMap((round) =>
    turned(variants, round).flatMap((group) =>
      tests.flatMap((test, i) =>
        turned(group, round + i).map((variant) => ({ round, test, variant })),
      ),
    ),
  );
}
