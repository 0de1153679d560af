/** What our own command line says of the eBPF classifier on a host. */
import { z } from 'zod';
import { classifierState } from '../../bpf/report.js';
import { commandError, fitting } from '../command/answer.js';
import { whereDirectory } from '../command/command.js';
import { type Answer, type Query, query } from '../command/query.js';
import { ERROR_SOURCES, SidetrackError } from '../error.js';
import type { ObservedFrom, ObservedHost } from '../plan/state.js';

type BpfHost = Pick<ObservedFrom, 'sidetrack' | 'bpfDirectory'>;

/** Most hosts have none, and a second Node.js takes its time. */
export function classifierQuery(host: BpfHost): Query<Pick<ObservedHost, 'classifier'>> {
  const command = whereDirectory(host.bpfDirectory, bpfWords(host, ['show']));
  return query(command, (answer) => {
    if (answer.result.status === 0 && answer.result.stdout === '') return {};
    const classifier = bpfAnswer(answer, classifierState.nullable());
    return classifier === null ? {} : { classifier };
  });
}

/** What the command line says with --json when it refuses. */
const refusal = z.object({
  error: z.object({
    code: z.string(),
    source: z.enum(ERROR_SOURCES).catch('host'),
    message: z.string(),
    hint: z.string().optional(),
  }),
});

export function bpfWords({ sidetrack, bpfDirectory }: BpfHost, words: readonly string[]): string[] {
  return [...sidetrack, 'bpf', ...words, '--directory', bpfDirectory, '--json'];
}

/** @throws SidetrackError what it was refused for, or that the answer is of no shape that is known here. */
export function bpfAnswer<T>({ host, command, result }: Answer, schema: z.ZodType<T>): T {
  let said: unknown;
  try {
    said = JSON.parse(result.stdout);
  } catch {
    throw commandError(host, command, result);
  }
  const refused = refusal.safeParse(said).data?.error;
  if (refused === undefined) return fitting(host, command, said, schema);
  const { code, source, message, hint } = refused;
  throw new SidetrackError(`${host.address}: ${message}`, {
    code,
    source,
    ...(hint !== undefined && { hint }),
  });
}
