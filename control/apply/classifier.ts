/** Asks the eBPF classifier of a host, through the command line that a person would use there. */
import { commandError } from '../command/answer.js';
import { type Command, whereDirectory } from '../command/command.js';
import { type Answer, type Query, query } from '../command/query.js';
import { type ErrorSource, SidetrackError } from '../error.js';
import { ask, type Host } from '../hosts/host.js';
import type { ObservedClassifier } from '../plan/state.js';

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

type BpfHost = Pick<Host, 'sidetrack' | 'bpfDirectory'>;

interface Refusal {
  error: { code: string; source: ErrorSource; message: string; hint?: string };
}

/** Most hosts have none, and a second Node.js takes its time. */
export function classifierQuery(host: BpfHost): Query<ObservedClassifier | undefined> {
  const command = whereDirectory(host.bpfDirectory, bpfWords(host, ['show']));
  return query(command, (answer) =>
    answer.result.status === 0 && answer.result.stdout === ''
      ? undefined
      : (bpfAnswer<ObservedClassifier | null>(answer) ?? undefined),
  );
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

function bpfWords({ sidetrack, bpfDirectory }: BpfHost, words: readonly string[]): string[] {
  return [...sidetrack, 'bpf', ...words, '--directory', bpfDirectory, '--json'];
}

function bpfAnswer<T>({ host, command, result }: Answer): T {
  let answer: T | Refusal;
  try {
    answer = JSON.parse(result.stdout) as T | Refusal;
  } catch {
    throw commandError(host, command, result);
  }
  if (!isRefusal(answer)) return answer;
  const { code, source, message, hint } = answer.error;
  throw new SidetrackError(`${host.address}: ${message}`, {
    code,
    source,
    ...(hint !== undefined && { hint }),
  });
}

function isRefusal(answer: unknown): answer is Refusal {
  return typeof answer === 'object' && answer !== null && 'error' in answer;
}
