/**
 * A machine that sidetrack acts on, reduced to "run this program with this input".
 * Reading and writing files are programs too (`cat`, `tee`), so that a network namespace's
 * /proc/sys and a remote machine need no second mechanism.
 */
import { SidetrackError } from '../error.js';
import { type Explanation, explain, ipWithoutJson } from './explain.js';
import type { Places } from './namespace.js';
import type { RunOptions, RunResult } from './process.js';

export interface Host extends Places {
  /** As written in the configuration: `local`, `netns://router`. */
  readonly address: string;
  /** The words that start our own command line there. */
  readonly sidetrack: readonly string[];
  /** The argument vector that runs `argv` there; what `plan --sh` prints. */
  wrap(argv: readonly string[]): string[];
  run(argv: readonly string[], options?: RunOptions): Promise<RunResult>;
}

/** Runs and insists on success; the error names host, command and what the program said. */
export async function runChecked(
  host: Host,
  argv: readonly string[],
  options: RunOptions = {},
): Promise<string> {
  const result = await host.run(argv, options);
  if (result.status !== 0) throw commandError(host, argv, result);
  return result.stdout;
}

/**
 * @param text what `argv` printed, as JSON.
 * @throws SidetrackError one clear line when it is none
 */
export function parseAnswer<T>(host: Host, argv: readonly string[], text: string): T {
  try {
    return JSON.parse(text) as T;
  } catch (cause) {
    throw explained(unexpectedAnswer(host, argv, text), cause);
  }
}

/** A program that knows no JSON and prints its usual text, or nothing, with success. */
function unexpectedAnswer(host: Host, argv: readonly string[], text: string): Explanation {
  if (argv[0] === 'ip') return ipWithoutJson(host);
  const said = firstLine(text).slice(0, LONGEST_QUOTE) || 'nothing';
  return {
    message: `${host.address}: "${argv.join(' ')}" answered ${said} and not JSON`,
    code: 'unexpected-answer',
    source: 'host',
    hint: `look at what "${argv[0]}" is there: type ${argv[0]}; ${argv[0]} --version`,
  };
}

const LONGEST_QUOTE = 60;

export function explained({ message, ...options }: Explanation, cause: unknown): SidetrackError {
  return new SidetrackError(message, { ...options, cause });
}

/** The file's content, or undefined when it does not exist. */
export async function readFile(host: Host, path: string): Promise<string | undefined> {
  const result = await host.run(['cat', path]);
  if (result.status === 0) return result.stdout;
  if (result.stderr.includes('No such file')) return undefined;
  throw commandError(host, ['cat', path], result);
}

/** Turns a failed command into the error a user can act on. */
export function commandError(
  host: Host,
  argv: readonly string[],
  result: RunResult,
): SidetrackError {
  const said = firstLine(result.stderr) || firstLine(result.stdout) || 'no message';
  const known = explain(host, argv, result) ?? {
    message: `${host.address}: "${argv.join(' ')}" failed with status ${result.status}: ${said}`,
    code: 'command-failed',
    source: 'host',
  };
  return explained(known, result.stderr);
}

function firstLine(text: string): string {
  return text.trim().split('\n')[0] ?? '';
}
