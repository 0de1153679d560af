/**
 * Several commands as one shell script, and what each of them said cut out of what the shell said. This
 * takes one process, or one round trip, for any number of commands.
 *
 * Behind each command's output the script prints a boundary, on standard output with the status. As in
 * a MIME message the boundary is random, so that output of any bytes does not contain it; no
 * temporary file is needed, and nothing is kept in memory there.
 */
import type { Command, RunResult } from './command.js';
import { printCommand, shellWords } from './shell.js';

/** As bytes. */
export interface BatchOutput {
  stdout: Buffer;
  stderr: Buffer;
}

/** @param boundary letters and digits that no output contains */
export function batchScript(commands: readonly Command[], boundary: string): string {
  return [
    'LC_ALL=C; export LC_ALL',
    `ended() { printf '\\n%s %s\\n' ${boundary} "$1"; printf '\\n%s\\n' ${boundary} >&2; }`,
    ...commands.map((command) => `${scriptLine(command)}; ended $?`),
    '',
  ].join('\n');
}

/** `exec`, so that a name is a program's and no function's, keyword's or builtin's. */
export function scriptLine({ argv, stdin }: Command): string {
  const words = shellWords(argv);
  // The script itself is the shell's standard input.
  if (stdin === undefined || stdin === '') return `(exec ${words} </dev/null)`;
  return `${printCommand(stdin)} | (exec ${words})`;
}

/**
 * @returns what the commands said, in their order. They are fewer than there were commands when the shell
 * did not get to its end.
 */
export function splitBatch({ stdout, stderr }: BatchOutput, boundary: string): RunResult[] {
  const said = pieces(stderr, Buffer.from(`\n${boundary}\n`));
  return pieces(stdout, Buffer.from(`\n${boundary} `), '\n').map(([text, status], i) => ({
    status: Number(status),
    stdout: text,
    stderr: said[i]?.[0] ?? '',
  }));
}

/** What is in front of each boundary, and what stands between that and `end`. */
function pieces(bytes: Buffer, boundary: Buffer, end = ''): [text: string, note: string][] {
  const found: [string, string][] = [];
  for (let from = 0; ; ) {
    const at = bytes.indexOf(boundary, from);
    const behind = at + boundary.length;
    const until = bytes.indexOf(end, behind);
    if (at < 0 || until < 0) return found;
    found.push([bytes.toString('utf8', from, at), bytes.toString('utf8', behind, until)]);
    from = until + end.length;
  }
}
