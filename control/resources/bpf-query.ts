/** What our own command line says of the eBPF classifier on a host. */
import { commandError } from '../command/answer.js';
import { whereDirectory } from '../command/command.js';
import { type Answer, type Query, query } from '../command/query.js';
import { type ErrorSource, SidetrackError } from '../error.js';
import type { ObservedClassifier, ObservedFrom, ObservedHost } from '../plan/state.js';

type BpfHost = Pick<ObservedFrom, 'sidetrack' | 'bpfDirectory'>;

/** Most hosts have none, and a second Node.js takes its time. */
export function classifierQuery(host: BpfHost): Query<Pick<ObservedHost, 'classifier'>> {
  const command = whereDirectory(host.bpfDirectory, bpfWords(host, ['show']));
  return query(command, (answer) => {
    if (answer.result.status === 0 && answer.result.stdout === '') return {};
    const classifier = bpfAnswer<ObservedClassifier | null>(answer);
    return classifier === null ? {} : { classifier };
  });
}

interface Refusal {
  error: { code: string; source: ErrorSource; message: string; hint?: string };
}

export function bpfWords({ sidetrack, bpfDirectory }: BpfHost, words: readonly string[]): string[] {
  return [...sidetrack, 'bpf', ...words, '--directory', bpfDirectory, '--json'];
}

/** @throws SidetrackError what it was refused for */
export function bpfAnswer<T>({ host, command, result }: Answer): T {
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
