/** What a step runs. */

/** A program with its arguments and its standard input. */
export interface Command {
  argv: string[];
  stdin?: string;
}

/** Written beside and renamed: a crash leaves the old file or the new one, never half of one. */
export function writeFile(path: string, content: string): Command {
  const script =
    'mkdir -p "${1%/*}" && cat > "$1.new" && mv "$1.new" "$1" || { rm -f "$1.new"; exit 1; }';
  return { argv: ['sh', '-c', script, 'sh', path], stdin: content };
}

/** `argv` with the file as its standard input. */
export function withInputFile(path: string, argv: readonly string[]): Command {
  const script = 'file=$1; shift; exec "$@" < "$file"';
  return { argv: ['sh', '-c', script, 'sh', path, ...argv] };
}
