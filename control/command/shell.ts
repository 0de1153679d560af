/** Argument vectors as words of a POSIX shell: the only place that knows how a shell reads. */

const QUOTE_FREE = /^[A-Za-z0-9_@%+=:,./-]+$/;

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** One argument as a shell word. */
export function shellWord(text: string): string {
  return QUOTE_FREE.test(text) ? text : quoted(text);
}

/** An argument vector as a word list. */
export const shellWords = (argv: readonly string[]): string => argv.map(shellWord).join(' ');

/** A command that prints `text`, and nothing else; NUL, which no word can hold, is an escape of the format. */
export function printCommand(text: string): string {
  const parts = text.split('\0');
  return `printf ${quoted(parts.map(() => '%s').join('\\000'))} ${parts.map(quoted).join(' ')}`;
}
