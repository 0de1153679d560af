/**
 * Several commands as one shell script, and what each of them said cut out of what the shell said. This
 * takes one process, or one round trip, for any number of commands.
 *
 * In front of the first command, behind each one's output and behind the last the script prints a
 * boundary, on standard output and on standard error. As in a MIME message the boundary is random, so that output
 * of any bytes does not contain it; no temporary file is needed, and nothing is kept in memory there.
 * What a shell or a profile prints of its own accord stands in front of the first, and counts for nothing.
 */
import type { Command, RunResult } from './command.js';
import { Cutter } from './cutter.js';
import { printCommand, shellWords } from './shell.js';

export interface ScriptOptions {
  /** The first command that fails is the last one that runs. */
  untilFailure?: boolean | undefined;
  /** What has begun goes on to its end although nobody listens any more: half of it would be of no use. */
  endures?: boolean | undefined;
}

const START = 'start';
const END = 'end';

/**
 * @param lines each a command of the shell, as `scriptLine` makes them
 * @param boundary letters and digits that no output contains
 */
export function batchScript(
  lines: readonly string[],
  boundary: string,
  { untilFailure = false, endures = false }: ScriptOptions = {},
): string {
  const each = untilFailure
    ? (line: string) => `$going && { ${line}; ended $?; }`
    : (line: string) => `${line}; ended $?`;
  // Nobody listens any more: what is running is the last.
  const unheard = endures ? ':' : 'exit';
  return [
    'LC_ALL=C; export LC_ALL; going=:',
    ...(endures ? ["trap '' PIPE HUP"] : []),
    `frame() { printf '\\n${boundary} %s\\n' "$1" && printf '\\n${boundary} %s\\n' "$1" >&2 || ${unheard}; }`,
    'ended() { frame "$1"; [ "$1" = 0 ] || going=false; }',
    `frame ${START}`,
    ...lines.map(each),
    `frame ${END}`,
  ].join('\n');
}

/** `exec`, so that a name is a program's and no function's, keyword's or builtin's. */
export function scriptLine({ argv, stdin }: Command): string {
  const words = shellWords(argv);
  // The script itself may be the shell's standard input.
  if (stdin === undefined || stdin === '') return `(exec ${words} </dev/null)`;
  return `${printCommand(stdin)} | (exec ${words})`;
}

/** What was said on standard error behind the last boundary: why there are no more of them. */
export function lastWords(stderr: string, boundary: string): string {
  const behind = stderr.split(`${boundary} `);
  return behind.length === 1 ? stderr : behind.at(-1)!.replace(/^.*\n?/, '');
}

export type OnResult = (index: number, result: RunResult) => void;

/** Reads the answer to one script as it comes in. */
export class AnswerReader {
  readonly results: RunResult[] = [];
  readonly #stdout: Cutter;
  readonly #stderr: Cutter;
  readonly #onResult: OnResult | undefined;

  /** @param most commands that the script has */
  constructor(
    boundary: string,
    private readonly most = Infinity,
    onResult?: OnResult,
  ) {
    this.#stdout = new Cutter(boundary);
    this.#stderr = new Cutter(boundary);
    this.#onResult = onResult;
  }

  /** @throws RangeError when a boundary says something that no shell of ours prints. */
  read(stream: 'stdout' | 'stderr', chunk: Buffer): void {
    const cutter = stream === 'stdout' ? this.#stdout : this.#stderr;
    cutter.push(chunk);
    this.#match();
  }

  /** The shell has begun with the script: all of it has arrived. */
  get started(): boolean {
    return this.#stdout.count > 0;
  }

  /** Nothing more will come. */
  get ended(): boolean {
    return this.#stdout.last === END && this.#stderr.last === END;
  }

  #match(): void {
    for (;;) {
      const out = this.#stdout.first;
      const err = this.#stderr.first;
      if (out === undefined || err === undefined) return;
      this.#stdout.shift();
      this.#stderr.shift();
      if (out.word !== err.word) throw new RangeError(`${out.word} is not ${err.word}`);
      if (out.index === 0) {
        if (out.word !== START) throw new RangeError(`began with ${out.word}`);
        continue;
      }
      if (out.word === END) return;
      if (!/^\d{1,3}$/.test(out.word)) throw new RangeError(`ended with ${out.word}`);
      if (this.results.length === this.most) throw new RangeError('more than was asked');
      const result = { status: Number(out.word), stdout: out.text, stderr: err.text };
      this.results.push(result);
      this.#onResult?.(this.results.length - 1, result);
    }
  }
}
