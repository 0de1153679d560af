/**
 * A machine that sidetrack acts on, reduced to "run this program with this input".
 * Reading and writing files are programs too (`cat`, `tee`), so that a network namespace's
 * /proc/sys and a remote machine need no second mechanism.
 */
import { commandError } from '../command/answer.js';
import type { Command, RunResult } from '../command/command.js';
import type { HostRef } from '../command/explain.js';
import type { LockRequest } from '../command/lock.js';
import { type Answers, parseAnswers, type Queries } from '../command/query.js';
import type { HostPaths } from './paths.js';
import type { Limits } from './process.js';

export interface BatchOptions {
  /** Called for each command as soon as it has ended. */
  onResult?(index: number, result: RunResult): void;
  /** The first command that fails is the last one that runs; there are fewer results then. */
  untilFailure?: boolean;
  /** What has begun goes on to its end although the way here is lost. */
  endures?: boolean;
  /** Milliseconds, for all of them together. */
  timeoutMs?: number;
  /** Bytes of all that they print; more ends them, and is an error. */
  longest?: number;
}

/** A way to a host. Each of its methods is one round trip. */
export interface Transport extends HostRef {
  /** Behind a network that a change may cut. */
  readonly remote: boolean;
  /** The argument vector that runs `argv` there; what `plan --sh` prints. */
  wrap(argv: readonly string[]): string[];
  /** Starts a shell there with `SHELL_LOOP`, as root, by a connection of its own. */
  shell(): string[];
  /** Sent once and never again. */
  run(command: Command, limits?: Limits): Promise<RunResult>;
  /**
   * Runs all of them, one after the other, also after one that fails. What they do must bear being done twice:
   * when the way there is lost in the middle they are sent again, once, unless a session holds the lock.
   */
  batch(commands: readonly Command[], options?: BatchOptions): Promise<RunResult[]>;
  /**
   * A shell that holds the host's lock until it ends.
   * @param questions asked as soon as it has the lock, in the same round trip
   * @throws SidetrackError `host-locked` when another has it
   */
  session(lock: LockRequest, questions?: readonly Command[]): Promise<Session>;
  /** The same host by a connection of its own, which is not there before it is used. */
  fresh(): Transport;
  /** Ends what is open; it opens again when it is used. */
  close(): Promise<void>;
  /** Scripts sent and answered so far. */
  readonly roundTrips: number;
}

/** Where a host is changed. Nothing that was sent is sent again; when the way there is lost, so is the lock. */
export interface Session {
  /** One round trip. What its programs start, and is not told to close descriptor 9, keeps the lock. */
  batch(commands: readonly Command[], options?: BatchOptions): Promise<RunResult[]>;
  /** What the questions that came with the lock were answered. */
  readonly answers: readonly RunResult[];
  /** Lets go of the lock. Never fails: without the way there the lock goes by itself. */
  end(): Promise<void>;
}

/** What there is on a host to attach eBPF with. */
export type FarLoader =
  | { kind: 'sidetrack' }
  /** `put` sends it where it is not there; what runs it comes behind. */
  | { kind: 'bundle'; command: readonly [path: string, ...words: string[]]; put(): Promise<void> }
  | { kind: 'none'; why: string; hint: string };

export interface Host extends Transport, HostPaths {
  /** What attaches eBPF there; absent where none was asked for, and on this machine, whose own does. */
  readonly loader?: FarLoader;
}

/**
 * Asks all of it in one round trip.
 * @throws SidetrackError the first of the list that a parser throws
 */
export async function ask<Q extends Queries>(
  host: Pick<Transport, keyof HostRef | 'batch'>,
  queries: Q,
  options: BatchOptions = {},
): Promise<Answers<Q>> {
  const commands = Object.values(queries).flatMap((one) => one.commands);
  return parseAnswers(host, queries, await host.batch(commands, options));
}

/** Runs and insists on success; the error names host, command and what the program said. */
export async function runChecked(host: Host, command: Command): Promise<string> {
  const result = await host.run(command);
  if (result.status !== 0) throw commandError(host, command, result);
  return result.stdout;
}
