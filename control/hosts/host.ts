/**
 * A machine that sidetrack acts on, reduced to "run this program with this input".
 * Reading and writing files are programs too (`cat`, `tee`), so that a network namespace's
 * /proc/sys and a remote machine need no second mechanism.
 */
import { commandError } from '../command/answer.js';
import type { Command, RunResult } from '../command/command.js';
import type { HostRef } from '../command/explain.js';
import { type Answers, parseAnswers, type Queries } from '../command/query.js';
import type { HostPaths } from './paths.js';
import type { Limits } from './process.js';
import type { RunningProgram } from './running-program.js';

/** A way to a host. */
export interface Transport extends HostRef {
  /** The argument vector that runs `argv` there; what `plan --sh` prints. */
  wrap(argv: readonly string[]): string[];
  run(command: Command, limits?: Limits): Promise<RunResult>;
  /** Runs all of them, one after the other, also after one that fails; one round trip. */
  batch(commands: readonly Command[]): Promise<RunResult[]>;
  /** Starts one that runs until its input ends, or this process or the way there does; it has no other input. */
  start(command: Command): RunningProgram;
}

export interface Host extends Transport, HostPaths {}

/**
 * Asks all of it in one round trip.
 * @throws SidetrackError the first of the list that a parser throws
 */
export async function ask<Q extends Queries>(
  host: Pick<Transport, keyof HostRef | 'batch'>,
  queries: Q,
): Promise<Answers<Q>> {
  const commands = Object.values(queries).flatMap((one) => one.commands);
  return parseAnswers(host, queries, await host.batch(commands));
}

/** Runs and insists on success; the error names host, command and what the program said. */
export async function runChecked(host: Host, command: Command): Promise<string> {
  const result = await host.run(command);
  if (result.status !== 0) throw commandError(host, command, result);
  return result.stdout;
}
