/** What `sidetrack status` has to say of a machine behind a fault, by what the machine is found to be like. */
import { expect } from 'vitest';
import { z } from 'zod';
import { readContract } from '../../../control/contract.js';
import { ADDRESS } from '../../../control/lab/topology.js';
import type { MachineNode } from './machines.js';

/** What this needs of `sidetrack status --json`. */
const printed = z.object({
  hosts: z.array(
    z.object({ name: z.string(), state: z.string(), differences: z.array(z.string()) }),
  ),
  warnings: z.array(z.object({ message: z.string() })),
});

/** What is told of one machine. */
export interface Told {
  state: string;
  /** That the change before this command was taken back. */
  reverted: boolean;
  /** Any difference is named. */
  differs: boolean;
}

/** @throws with the text, where it is not what status prints */
export function toldOf(stdout: string, node: MachineNode): Told {
  const answer = readContract(stdout, printed);
  if (!('value' in answer)) throw new Error(`this is no status: ${stdout}`);
  const { hosts, warnings } = answer.value;
  const host = hosts.find(({ name }) => name === node);
  if (host === undefined) throw new Error(`status leaves ${node} out: ${stdout}`);
  // The reason behind it may quote another machine.
  const about = warnings.filter(({ message }) =>
    message.startsWith(`ssh://root@${ADDRESS[node].v4}: `),
  );
  return {
    state: host.state,
    differs: host.differences.length > 0,
    reverted: about.some(({ message }) => message.includes(' was reverted ')),
  };
}

/** How far a change came on a machine that is as before, or has lost all. */
export type Progress = 'none' | 'arming' | 'begun';

/** @param passed the moments of the machine, see `Gate` */
export function progressOf(passed: readonly string[]): Progress {
  // Each step begins with it, behind the arming.
  if (passed.some((moment) => / rm -f \S+\/change\/complete$/.test(moment))) return 'begun';
  return passed.some((moment) => moment.endsWith('/change/before')) ? 'arming' : 'none';
}

export interface Found {
  isNothing: boolean;
  isConfigured: boolean;
  progress: Progress;
}

/** A first step that was begun is taken back, and that is told; of a change that was being armed, it may be. */
export function expectedOf({ isNothing, isConfigured, progress }: Found): Told {
  const state = isConfigured ? 'in-sync' : isNothing ? 'absent' : 'drifted';
  const reverted = progress === 'arming' ? expect.any(Boolean) : progress === 'begun';
  return { state, differs: !isConfigured, reverted };
}
