/** What a host says of the change that was made there last: `readChange` of `command/change.ts`. */
import { z } from 'zod';
import { readChange } from '../command/change.js';
import { PHASES, type Phase } from '../command/change-program.js';
import { outputOf, type Query, query } from '../command/query.js';
import { readContract } from '../contract.js';

/** Who makes the change; written on one line into the file `about`. */
const changeOwner = z.object({
  machine: z.string(),
  user: z.string(),
  pid: z.number(),
});
export type ChangeOwner = z.output<typeof changeOwner>;

export interface ChangeState {
  phase: Phase;
  /** Whether its watchdog lives. */
  watchdog: boolean;
  /** The machine has been started anew since, so that nothing of the change is left. */
  rebooted: boolean;
  /** Steps that were begun. */
  begun: number;
  /** Until the deadline. */
  secondsLeft?: number;
  owner?: ChangeOwner;
  /** Why it was reverted. */
  why?: string;
  secondsAgo?: number;
  /** Titles of the steps that could not be undone. */
  left: string[];
}

/** Undefined where no change is known. */
export const changeQuery = ({ stateDir }: { stateDir: string }): Query<ChangeState | undefined> =>
  query(readChange(stateDir), (answer) => parseChange(outputOf(answer)));

export function parseChange(text: string): ChangeState | undefined {
  const lines = text.split('\n').map((line) => {
    const [word = ''] = line.split(' ', 1);
    return [word, line.slice(word.length + 1)] as const;
  });
  const values = new Map(lines);
  const phase = PHASES.find((one) => one === values.get('phase'));
  if (phase === undefined) return undefined;
  const difference = (a: string, b: string) => {
    const seconds = Number(values.get(a)) - Number(values.get(b));
    return Number.isFinite(seconds) ? seconds : undefined;
  };
  const secondsLeft = difference('deadline', 'now');
  const secondsAgo = difference('now', 'at');
  const owner = readContract(values.get('about') ?? '', changeOwner);
  const why = values.get('why');
  return {
    phase,
    watchdog: values.get('watchdog') === 'yes',
    rebooted: values.get('rebooted') === 'yes',
    begun: Number(values.get('begun') ?? 0),
    left: lines.flatMap(([word, rest]) => (word === 'left' ? [rest] : [])),
    ...(secondsLeft !== undefined && { secondsLeft }),
    ...(secondsAgo !== undefined && { secondsAgo }),
    ...('value' in owner && { owner: owner.value }),
    ...(why !== undefined && { why }),
  };
}
