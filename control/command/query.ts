/** What a host is asked, as data: commands that change nothing, and how to read what they print. */
import type { z } from 'zod';
import { commandError, parseJson } from './answer.js';
import type { Command, RunResult } from './command.js';
import type { HostRef } from './explain.js';

/** What one command of a query said. */
export interface Answer {
  readonly host: HostRef;
  readonly command: Command;
  readonly result: RunResult;
}

/**
 * One question. Its commands depend on nothing that another one of the same list answers, so that a
 * list can be asked in one round trip.
 */
export interface Query<T> {
  readonly commands: readonly Command[];
  /**
   * Pure.
   * @param answers one for each command
   * @throws SidetrackError when a command failed, or said what it should not
   */
  readonly parse: (...answers: Answer[]) => T;
}

/** By name; the names are those of the answers. */
export type Queries = Readonly<Record<string, Query<unknown>>>;

export type Answers<Q extends Queries> = {
  [Name in keyof Q]: Q[Name] extends Query<infer T> ? T : never;
};

/** A question of one command. */
export function query<T>(
  command: Command | readonly string[],
  parse: (answer: Answer) => T,
): Query<T> {
  return { commands: ['argv' in command ? command : { argv: command }], parse };
}

/** What the program printed. @throws SidetrackError that names host and command, where it failed */
export function outputOf({ host, command, result }: Answer): string {
  if (result.status !== 0) throw commandError(host, command, result);
  return result.stdout;
}

/** The same, as JSON. */
export function jsonOf<T>(answer: Answer, schema: z.ZodType<T>): T {
  return parseJson(answer.host, answer.command, outputOf(answer), schema);
}

const NO_FILE = 'No such file';
const IF_THERE = `[ -e "$1" ] || { echo '${NO_FILE}' >&2; exit 0; }; exec cat "$1"`;

/** As `cat PATH`, for where a command that fails costs a round trip: no file is no failure. */
export const readIfThere = (path: string): Command => ({
  argv: ['sh', '-c', IF_THERE, 'sh', path],
  program: ['cat', path],
});

/** Of `cat FILE` or `readIfThere`: the content, or undefined when the file does not exist. */
export function contentOf({ host, command, result }: Answer): string | undefined {
  if (result.stderr.includes(NO_FILE)) return undefined;
  if (result.status === 0) return result.stdout;
  throw commandError(host, command, result);
}

export const fileQuery = <T>(path: string, parse: (text: string | undefined) => T): Query<T> =>
  query(['cat', path], (answer) => parse(contentOf(answer)));

export function parseAnswers<Q extends Queries>(
  host: HostRef,
  queries: Q,
  results: readonly RunResult[],
): Answers<Q> {
  let next = 0;
  const answers = Object.entries(queries).map(([name, { commands, parse }]) => {
    const said = commands.map((command) => ({ host, command, result: results[next++]! }));
    return [name, parse(...said)];
  });
  return Object.fromEntries(answers) as Answers<Q>;
}
