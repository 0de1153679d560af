/** Batches on hosts: what an answer is that came to no end, and batches by a process of their own. */
import { commandError } from '../command/answer.js';
import { AnswerReader, batchScript, lastWords, scriptLine } from '../command/batch.js';
import { type Command, purposeOf, type RunResult } from '../command/command.js';
import type { HostRef } from '../command/explain.js';
import { sshCommand, sshPlace } from '../command/ssh-place.js';
import { SidetrackError } from '../error.js';
import type { BatchOptions } from './host.js';
import type { RawResult, RunOptions } from './process.js';
import { newBoundary, type ShellLost } from './shell.js';

/** Starts a shell with this script as its standard input, as only the transport knows how to. */
export type RunShell = (argv: readonly string[], options: RunOptions) => Promise<RawResult>;

export async function runBatch(
  host: HostRef,
  commands: readonly Command[],
  { onResult, untilFailure, endures, timeoutMs, longest }: BatchOptions,
  run: RunShell,
): Promise<RunResult[]> {
  if (commands.length === 0) return [];
  const boundary = newBoundary();
  const reader = new AnswerReader(boundary, commands.length, onResult);
  const { status, stderr } = await run(['sh'], {
    stdin: batchScript(commands.map(scriptLine), boundary, { untilFailure, endures }),
    onOutput: (stream, chunk) => reader.read(stream, chunk),
    wholeGroup: true,
    ...(timeoutMs !== undefined && { timeoutMs }),
    ...(longest !== undefined && { longest }),
  });
  const { results, ended } = reader;
  const missing = commands[results.length];
  if (ended && (missing === undefined || results.at(-1)?.status !== 0)) return results;
  throw shellEnded(host, missing, {
    status,
    stderr: lastWords(`${stderr}`, boundary),
    isFirst: results.length === 0,
  });
}

/** A shell that is lost, as an error that a user can act on. */
export function lostError(
  host: HostRef,
  commands: readonly Command[],
  { reason, end: { status, stderr, results, timeoutMs } }: ShellLost,
): SidetrackError {
  const missing = commands[results.length];
  if (reason === 'ended')
    return shellEnded(host, missing, { status, stderr, isFirst: results.length === 0 });
  const [message, code, hint] = LOST[reason](
    missing ? purposeOf(missing) : 'a script',
    timeoutMs / 1000,
  );
  const byHand = /^ssh:/.test(host.address) ? `: ${sshCommand(sshPlace(host))}` : '';
  return new SidetrackError(`${host.address}: ${message}`, {
    code,
    source: 'host',
    hint: hint.replace('BY_HAND', byHand),
    cause: stderr,
  });
}

/** `BY_HAND` is where the command stands that leads there. */
const LOST: Record<
  Exclude<ShellLost['reason'], 'ended'>,
  (purpose: string, seconds: number) => [message: string, code: string, hint: string]
> = {
  timeout: (purpose, seconds) => [
    `${purpose} did not finish within ${seconds} s`,
    'command-timeout',
    'the host may be overloaded, or a program there waits for something; then look: sidetrack status',
  ],
  'no-start': () => [
    'the login comes to no shell',
    'no-answer',
    'log in by handBY_HAND; does what its profile runs come to an end?',
  ],
  'too-long': (purpose) => [
    `${purpose} printed more than sidetrack reads`,
    'output-too-long',
    'look at what it prints thereBY_HAND',
  ],
  malformed: (purpose) => [
    `${purpose} was answered by something that is no shell`,
    'unexpected-answer',
    'look at what answers thereBY_HAND',
  ],
};

/** @param missing the first command without a result */
function shellEnded(
  host: HostRef,
  missing: Command | undefined,
  { status, stderr, isFirst }: { status: number; stderr: string; isFirst: boolean },
): SidetrackError {
  // The way there failed, and nothing has run.
  if (isFirst && missing !== undefined && status !== 0)
    return commandError(host, missing, { status, stdout: '', stderr });
  const before = missing === undefined ? 'the end of the script' : `${purposeOf(missing)} did`;
  return new SidetrackError(
    `${host.address}: the shell ended (status ${status}) before ${before}`,
    {
      code: 'shell-ended',
      source: 'host',
      hint: 'run it again',
      cause: stderr,
    },
  );
}
