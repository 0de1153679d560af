/** Asks the eBPF classifier of a host, through the command line that a person would use there. */
import type { Command } from '../command/command.js';
import { query } from '../command/query.js';
import { SidetrackError } from '../error.js';
import { ask, type Host } from '../hosts/host.js';
import { bpfAnswer, bpfWords } from '../resources/bpf-query.js';

/** The part of `sidetrack bpf stats --json` that a status shows. */
export interface ClassifierCounters {
  outcomes: Record<'marked' | 'redirected' | 'embedded_v4', Count>;
  events: Record<'on_failure' | 'over_share' | 'table_full' | 'no_route', number>;
  rules: (Count & { name: string })[];
}

interface Count {
  packets: number;
  bytes: number;
}

/** @throws SidetrackError what the step would be refused for */
export async function rehearse(host: Host, command: Command): Promise<void> {
  await ask(host, { rehearsal: query(command, bpfAnswer) });
}

/** Why there are none: an attach that ended before it counted anything, or a program of another version. */
const NO_COUNTERS: readonly string[] = ['not-attached', 'counters-outdated'];

/** Nothing where there is nothing to read; what is to be done about it the plan says. */
export async function readCounters(host: Host): Promise<ClassifierCounters | undefined> {
  try {
    const stats = query(bpfWords(host, ['stats']), bpfAnswer<ClassifierCounters>);
    return (await ask(host, { stats })).stats;
  } catch (error) {
    if (error instanceof SidetrackError && NO_COUNTERS.includes(error.code)) return undefined;
    throw error;
  }
}
