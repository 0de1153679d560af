/** Asks the eBPF classifier of a host, through the command line that a person would use there. */
import { type ErrorSource, SidetrackError } from '../error.js';
import { commandError, type Host } from '../hosts/host.js';
import type { ObservedClassifier } from '../plan/state.js';
import type { ClassifierSpec } from '../policy/classifier-spec.js';
import { asInput } from '../resources/classifier.js';

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

interface Refusal {
  error: { code: string; source: ErrorSource; message: string; hint?: string };
}

export async function observeClassifier(host: Host): Promise<ObservedClassifier | undefined> {
  // Most hosts have none, and a second Node.js takes its time.
  const { status } = await host.run(['test', '-d', host.bpfDirectory]);
  if (status !== 0) return undefined;
  return (await ask<ObservedClassifier | null>(host, ['show'])) ?? undefined;
}

/** Loads the specification and changes nothing. @throws SidetrackError when it could not be attached. */
export async function trySpec(host: Host, spec: ClassifierSpec): Promise<void> {
  await ask(host, ['attach', '--dry-run'], asInput(spec));
}

/** Why there are none: an attach that ended before it counted anything, or a program of another version. */
const NO_COUNTERS: readonly string[] = ['not-attached', 'counters-outdated'];

/** Nothing where there is nothing to read; what is to be done about it the plan says. */
export async function readCounters(host: Host): Promise<ClassifierCounters | undefined> {
  try {
    return await ask<ClassifierCounters>(host, ['stats']);
  } catch (error) {
    if (error instanceof SidetrackError && NO_COUNTERS.includes(error.code)) return undefined;
    throw error;
  }
}

async function ask<T>(host: Host, words: readonly string[], stdin?: string): Promise<T> {
  const argv = [...host.sidetrack, 'bpf', ...words, '--directory', host.bpfDirectory, '--json'];
  const result = await host.run(argv, stdin === undefined ? {} : { stdin });
  let answer: T | Refusal;
  try {
    answer = JSON.parse(result.stdout) as T | Refusal;
  } catch {
    throw commandError(host, argv, result);
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
