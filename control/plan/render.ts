/** A plan as text for people and as a shell script that does exactly the same. Pure. */
import type { Command } from '../command/command.js';
import { shellWords } from '../command/shell.js';
import type { Step } from './step.js';

/** One command with its input as a here-document, and what follows it in its line. */
export function shellCommand(
  { argv, stdin }: Command,
  wrap: (argv: readonly string[]) => string[] = (words) => [...words],
  otherwise = '',
): string {
  const words = shellWords(wrap(argv));
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
