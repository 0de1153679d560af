/** Asks the eBPF classifier of a host, through the command line that a person would use there. */
import { z } from 'zod';
import { type ClassifierCounters, classifierCounters } from '../../bpf/report.js';
import { type Command, whereDirectory } from '../command/command.js';
import { type Query, query } from '../command/query.js';
import { SidetrackError } from '../error.js';
import { ask, type Host } from '../hosts/host.js';
import { bpfAnswer, bpfWords } from '../resources/bpf-query.js';

/** What `attach` says, as far as it is of interest. */
const attached = z.object({ changed: z.boolean() });

/** @throws SidetrackError what the step would be refused for */
export async function dryRun(host: Host, command: Command): Promise<void> {
  if (host.loader?.kind === 'bundle') await host.loader.put();
  await ask(host, { dryRun: query(command, (answer) => bpfAnswer(answer, attached)) });
}

/** Why there are none: an attach that ended before it counted anything, or a program of another version. */
const NO_COUNTERS: readonly string[] = ['not-attached', 'counters-outdated'];

/** Nothing where there is nothing to read; what is to be done about it the plan says. */
export const countersQuery = (
  host: Pick<Host, 'sidetrack' | 'bpfDirectory'>,
): Query<ClassifierCounters | undefined> =>
  query(whereDirectory(host.bpfDirectory, bpfWords(host, ['stats'])), (answer) => {
    if (answer.result.status === 0 && answer.result.stdout === '') return undefined;
    try {
      return bpfAnswer(answer, classifierCounters);
    } catch (error) {
      if (error instanceof SidetrackError && NO_COUNTERS.includes(error.code)) return undefined;
      throw error;
    }
  });

export async function readCounters(host: Host): Promise<ClassifierCounters | undefined> {
  return (await ask(host, { counters: countersQuery(host) })).counters;
}
