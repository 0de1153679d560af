/** What is run on a host: a program, its input, and why. */

/** A program with its arguments and its standard input. */
export interface Command {
  argv: readonly string[];
  stdin?: string;
  /** Why it is run, for messages (`reading the flow table`); absent where its words say it. */
  purpose?: string;
  /** Its input is shown to nobody. */
  isSecret?: true;
  /** The file that it writes. */
  writes?: string;
  /** The program that it is about, where `argv` starts a shell that only prepares something for it. */
  program?: readonly string[];
}

/** How a program ended. */
export interface RunResult {
  /** Exit status; 127 when the program does not exist, 128 + n after signal n. */
  status: number;
  stdout: string;
  stderr: string;
}

/** Mode of files with secrets in them. */
export const OWNER_ONLY = 0o600;

/**
 * Written beside and renamed: a crash leaves the old file or the new one, never half of one. It is for its owner alone
 * until it has its permission bits.
 */
export function writeFileWithMode(path: string, content: string, mode: number): Command {
  const script =
    'mkdir -p "${2%/*}" && (umask 077 && cat > "$2.new") && chmod "$1" "$2.new" && mv "$2.new" "$2" || { rm -f "$2.new"; exit 1; }';
  const argv = ['sh', '-c', script, 'sh', mode.toString(8), path];
  return { argv, stdin: content, writes: path };
}

/** Those that are not there are no failure. */
export function removeFiles(paths: readonly string[]): Command {
  return { argv: ['rm', '-f', ...paths] };
}

/** `argv` with the file as its standard input. */
export function withInputFile(path: string, argv: readonly string[]): Command {
  const script = 'file=$1; shift; exec "$@" < "$file"';
  return { argv: ['sh', '-c', script, 'sh', path, ...argv], program: argv };
}

/** `argv` where the directory exists; elsewhere success and no output. */
export function whereDirectory(path: string, argv: readonly string[]): Command {
  const script = '[ -d "$1" ] || exit 0; shift; exec "$@"';
  return { argv: ['sh', '-c', script, 'sh', path, ...argv], program: argv };
}

/** Each line of the files that fit, as `path:line`; what does not exist is passed over. */
export function readGlobs(globs: readonly string[]): Command {
  return {
    argv: ['sh', '-c', 'exec grep -s -H "" $*', 'sh', ...globs],
    program: ['grep', '-s', '-H', '', ...globs],
  };
}

/** The words that the command is known by. */
export const programOf = ({ argv, program = argv }: Command): readonly string[] => program;

const FEW_WORDS = 3;

/** In a few words what the command does. */
export function purposeOf(command: Command): string {
  if (command.purpose !== undefined) return command.purpose;
  if (command.writes !== undefined) return `writing ${command.writes}`;
  return `"${programOf(command).slice(0, FEW_WORDS).join(' ')}"`;
}
