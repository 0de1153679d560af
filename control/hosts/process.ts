/** Runs one program to its end. Nothing here knows what a host is. */
import { constants as bufferConstants } from 'node:buffer';
import { type ChildProcess, spawn } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { constants as osConstants, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunResult } from '../command/command.js';
import { SidetrackError } from '../error.js';

/** How much of it is too much: then the program is killed, and that is an error. */
export interface Limits {
  /** Milliseconds. */
  timeoutMs?: number;
  /** Bytes of its output; more than a string can hold when absent. */
  longest?: number;
}

export interface RunOptions extends Limits {
  /** Text for the program's standard input; absent means an empty one. */
  stdin?: string;
  /** Told of what it prints while it runs. */
  onOutput?: (stream: 'stdout' | 'stderr', chunk: Buffer) => void;
  /** What it has started ends with it where it takes too long or prints too much: what hangs there would go on. */
  wholeGroup?: boolean;
  /** Extra environment variables. */
  env?: Readonly<Record<string, string>>;
}

/** With its output as bytes. */
export interface RawResult {
  status: number;
  stdout: Buffer;
  stderr: Buffer;
}

/** A huge set keeps nft busy for a minute; anything longer hangs. */
export const DEFAULT_TIMEOUT_MS = 300_000;

const { MAX_STRING_LENGTH } = bufferConstants;

const SIGNAL_STATUS = 128;
const EMPTY = Buffer.alloc(0);

/**
 * Runs `argv` without a shell and collects its output.
 * A non-zero exit is a result, not an error; only a time-out throws.
 */
export async function runProcess(
  argv: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { status, stdout, stderr } = await runRaw(argv, options);
  return { status, stdout: stdout.toString(), stderr: stderr.toString() };
}

/** The same, for output that is cut into pieces before it is text. */
export async function runRaw(
  argv: readonly string[],
  options: RunOptions = {},
): Promise<RawResult> {
  const { stdin = '', env, onOutput, wholeGroup = false } = options;
  const { timeoutMs = DEFAULT_TIMEOUT_MS, longest = MAX_STRING_LENGTH } = options;
  const [file, ...args] = argv;
  if (file === undefined) throw new RangeError('an empty argument vector');
  const input = inputFile(stdin);
  const child = spawn(file, args, { ...spawnOptions(env), stdio: [input, 'pipe', 'pipe'] });
  closeSync(input);
  let excess: SidetrackError | undefined;
  const kill = (error: SidetrackError) => {
    excess ??= error;
    end(child, wholeGroup);
  };
  const timer = setTimeout(() => kill(timeoutError(argv, timeoutMs)), timeoutMs);
  let length = 0;
  const read = (stream: 'stdout' | 'stderr') => (chunk: Buffer) => {
    length += chunk.length;
    if (length > longest) kill(lengthError(argv, longest));
    else onOutput?.(stream, chunk);
  };
  child.stdout?.on('data', read('stdout'));
  child.stderr?.on('data', read('stderr'));
  try {
    const result = await endOf(child, file);
    if (excess) throw excess;
    return result;
  } finally {
    clearTimeout(timer);
  }
}

/** Nothing is read from it any more: another group's process may live, and print without end. */
function end(child: ChildProcess, wholeGroup: boolean): void {
  child.kill('SIGKILL');
  if (!wholeGroup || child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It has ended, and all of its group.
  }
  for (const stream of child.stdio) stream?.destroy();
}

/** A group of its own: Ctrl-C is for us, and must not kill the command of a step or its undoing. */
export function spawnOptions(env: RunOptions['env'] = {}) {
  return { env: { ...process.env, LC_ALL: 'C', ...env }, detached: true };
}

/** What it said until then; that a program is missing is an end like a shell's. */
async function endOf(child: ChildProcess, file: string): Promise<RawResult> {
  const stdout: Buffer[] = [];
  const stderr: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => stdout.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => stderr.push(chunk));
  try {
    const status = await endOfProcess(child);
    return { status, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return { status: 127, stdout: EMPTY, stderr: Buffer.from(`${file}: not found`) };
  }
}

/** Its status as a shell has it, when its output has been read to the end. */
export function endOfProcess(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) =>
      resolve(code ?? SIGNAL_STATUS + osConstants.signals[signal!]),
    );
  });
}

/**
 * Descriptor of a nameless file that holds `text`. Node's own pipes are sockets, and `nft -f -`
 * opens /dev/stdin by name, which a socket refuses (ENXIO).
 */
function inputFile(text: string): number {
  if (text === '') return openSync('/dev/null', 'r');
  const bytes = Buffer.from(text);
  let problem: unknown;
  for (const directory of [tmpdir(), '/dev/shm', '/run']) {
    try {
      return filledFile(directory, bytes);
    } catch (error) {
      problem ??= error;
    }
  }
  const { code } = problem as NodeJS.ErrnoException;
  throw new SidetrackError(`no room for a temporary file in ${tmpdir()} (${code})`, {
    code: 'no-temporary-file',
    source: 'host',
    hint: 'make room there, or name another directory in TMPDIR',
    cause: problem,
  });
}

function filledFile(directory: string, bytes: Buffer): number {
  const file = namelessFile(directory);
  try {
    // Written at positions, so that the offset, which the program inherits, stays at the beginning.
    for (let done = 0; done < bytes.length; )
      done += writeSync(file, bytes, done, bytes.length - done, done);
    return file;
  } catch (error) {
    closeSync(file);
    throw error;
  }
}

/** O_TMPFILE of open(2), which Node does not name; with O_DIRECTORY, as the kernel wants it. */
const O_TMPFILE = 0o20000000 | constants.O_DIRECTORY;
const OWNER_ONLY = 0o600;

/** Never has a name where the file system can do that, so that nothing is left whenever we end. */
function namelessFile(directory: string): number {
  try {
    return openSync(directory, O_TMPFILE | constants.O_RDWR, OWNER_ONLY);
  } catch {
    const own = mkdtempSync(join(directory, 'sidetrack-'));
    try {
      return openSync(join(own, 'stdin'), 'wx+', OWNER_ONLY);
    } finally {
      rmSync(own, { recursive: true });
    }
  }
}

function lengthError(argv: readonly string[], longest: number): SidetrackError {
  return new SidetrackError(`"${argv.join(' ')}" printed more than ${longest} bytes`, {
    code: 'output-too-long',
    source: 'host',
  });
}

function timeoutError(argv: readonly string[], timeoutMs: number): SidetrackError {
  return new SidetrackError(`"${argv.join(' ')}" did not finish within ${timeoutMs / 1000} s`, {
    code: 'command-timeout',
    source: 'host',
  });
}
