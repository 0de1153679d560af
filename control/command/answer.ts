/** What a command said, as a value or as an error. */
import type { z } from 'zod';
import { checkContract } from '../contract.js';
import { SidetrackError } from '../error.js';
import { type Command, programOf, purposeOf, type RunResult } from './command.js';
import { type Explanation, explain, type HostRef, ipWithoutJson } from './explain.js';

/**
 * @param text what the command printed, as JSON.
 * @throws SidetrackError one clear line when it is none, or of another shape
 */
export function parseJson<T>(
  host: HostRef,
  command: Command,
  text: string,
  schema: z.ZodType<T>,
): T {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw explained(unexpectedAnswer(host, command, text), cause);
  }
  return fitting(host, command, value, schema);
}

/**
 * What a program printed, where it has the shape that is read here.
 * @throws SidetrackError one clear line when it has another
 */
export function fitting<T>(
  host: HostRef,
  command: Command,
  value: unknown,
  schema: z.ZodType<T>,
): T {
  const read = checkContract(value, schema);
  if ('value' in read) return read.value;
  const [program = ''] = programOf(command);
  const isOurs = host.sidetrack[0] === program;
  throw new SidetrackError(
    `${host.address}: ${purposeOf(command)} answered what this sidetrack does not read: ${read.problem}`,
    {
      code: 'unexpected-answer',
      source: 'host',
      hint: isOurs
        ? `it has to be of the same version: ${host.sidetrack.join(' ')} --version`
        : `look at what "${program}" is there: type ${program}; ${program} --version`,
    },
  );
}

const LONGEST_QUOTE = 60;

/** A program that knows no JSON and prints its usual text, or nothing, with success. */
function unexpectedAnswer(host: HostRef, command: Command, text: string): Explanation {
  const words = programOf(command);
  if (words[0] === 'ip') return ipWithoutJson(host);
  const said = firstLine(text).slice(0, LONGEST_QUOTE) || 'nothing';
  return {
    message: `${host.address}: "${words.join(' ')}" answered ${said} and not JSON`,
    code: 'unexpected-answer',
    source: 'host',
    hint: `look at what "${words[0]}" is there: type ${words[0]}; ${words[0]} --version`,
  };
}

export function explained({ message, ...options }: Explanation, cause: unknown): SidetrackError {
  return new SidetrackError(message, { ...options, cause });
}

/** Turns a failed command into the error a user can act on. */
export function commandError(host: HostRef, command: Command, result: RunResult): SidetrackError {
  const said = firstLine(result.stderr) || firstLine(result.stdout) || 'no message';
  const words = programOf(command).join(' ');
  const known = explain(host, command, result) ?? {
    message: `${host.address}: "${words}" failed with status ${result.status}: ${said}`,
    code: 'command-failed',
    source: 'host',
  };
  return explained(known, result.stderr);
}

const firstLine = (text: string): string => text.trim().split('\n')[0] ?? '';
