/**
 * A shell that runs scripts one after the other: how it is started, and how a script is sent to it.
 *
 * A script goes as its length in bytes, a line break, and its text. The shell runs none of it before all of it
 * has arrived and has been parsed, so a connection that breaks in between leaves nothing half done. What it
 * reads beyond a script's end would be lost; nothing is sent there before that script has been answered.
 */

/**
 * For `sh -c`, and in one pair of quotes for any login shell: no quotation mark, backslash or exclamation mark,
 * and one line. `LC_ALL` makes `${#script}` bytes. The end of its input ends it.
 */
export const SHELL_LOOP = [
  'LC_ALL=C; export LC_ALL',
  'while read -r size; do script=$(head -c "$size")',
  '[ "${#script}" = "$size" ] || exit 1',
  'eval "$script"; done',
].join('; ');

/** @param script without NUL. In braces, which a shell parses to their end before it runs what is in them. */
export function scriptRequest(script: string): Buffer {
  const text = Buffer.from(`{ ${script}\n}`);
  return Buffer.concat([Buffer.from(`${text.length}\n`), text]);
}
