/** A plan as text for people and as a shell script that does exactly the same. Pure. */
import type { Command } from './command.js';
import type { Step } from './step.js';

const QUOTE_FREE = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** One argument as a POSIX shell word. */
export function shellWord(text: string): string {
  return QUOTE_FREE.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** One command with its input as a here-document, and what follows it in its line. */
export function shellCommand(
  { argv, stdin }: Command,
  wrap: (argv: readonly string[]) => string[] = (words) => [...words],
  otherwise = '',
): string {
  const words = wrap(argv).map(shellWord).join(' ');
  // tee shows what it writes; a script need not.
  const quiet = argv[0] === 'tee' ? ' >/dev/null' : '';
  if (stdin === undefined) return `${words}${otherwise}`;
  return `${words}${quiet}${otherwise} <<'SIDETRACK'\n${stdin}SIDETRACK`;
}

/** No packet depends on such a step. */
const OPTIONAL = ' || echo "not done, and not needed either" >&2';

/**
 * A script for one host: run it there as root. It stops at the first failure.
 * @param wrap how a command reaches the host (`nsenter …` for a namespace); identity by default.
 */
export function shellScript(
  steps: readonly Step[],
  stateDir: string,
  wrap: (argv: readonly string[]) => string[] = (argv) => [...argv],
): string {
  const lines = steps.flatMap((step) => [
    `# ${step.host}: ${step.title}`,
    shellCommand(step, wrap, step.optional ? OPTIONAL : ''),
  ]);
  return [
    '#!/bin/sh',
    'set -e',
    shellCommand({ argv: ['mkdir', '-p', stateDir] }),
    ...lines,
    '',
  ].join('\n');
}
