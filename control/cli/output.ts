/** Everything that a command prints goes through here, so that --json, NO_COLOR and pipes work alike. */
import pc from 'picocolors';
import { ConfigError, type Diagnostic, formatDiagnostic, printable } from '../config/diagnostic.js';
import { type Outcome, SidetrackError } from '../error.js';
import { StalePlan } from '../plan/stale-plan.js';

export const EXIT_OK = 0;
/** A host or the kernel refused, or something is not as configured. */
export const EXIT_FAILED = 1;
/** The command line or the configuration is wrong. */
export const EXIT_USAGE = 2;
/** With --detailed-exitcode, where every error is `EXIT_FAILED`. */
export const EXIT_CHANGES = 2;

/** A change was begun and is reverted; that was read back. */
export const EXIT_REVERTED = 3;
/** Of a change that was reverted something is left, or a host does not say. */
export const EXIT_PARTLY_REVERTED = 4;

/** A change is made and kept, but the next boot does not bring it back. */
export const EXIT_NOT_PERSISTED = 5;

const EXIT_OF: Readonly<Record<Outcome, number>> = {
  reverted: EXIT_REVERTED,
  'reverted-in-part': EXIT_PARTLY_REVERTED,
  'not-persisted': EXIT_NOT_PERSISTED,
};

/** For the help of commands that change hosts. */
export const EXIT_CODES = `
Exit status: 0 done, 1 failed and nothing is changed, 2 wrong usage or configuration,
3 a change was reverted and everything is as before, 4 a change was reverted in part,
5 a change is kept, but could not be persisted.
`;

export function print(line = ''): void {
  process.stdout.write(`${line}\n`);
}

/** Progress and warnings: never mixed into data on standard output. */
export function say(line: string): void {
  process.stderr.write(`${line}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

export function printWarnings(warnings: readonly Diagnostic[]): void {
  for (const warning of warnings) say(`${pc.yellow('warning:')} ${formatDiagnostic(warning)}`);
}

const said = new Set<string>();

/** A warning that a program which runs for long comes upon again and again. */
export function sayOnce(warning: Diagnostic): void {
  const text = formatDiagnostic(warning);
  if (said.has(text)) return;
  said.add(text);
  printWarnings([warning]);
}

/** What is right as it is, and good to know. */
export function printNotes(notes: readonly Diagnostic[]): void {
  for (const one of notes) print(`${pc.cyan('note:')} ${formatDiagnostic(one)}`);
}

/** What other programs said may have several. */
const lines = (text: string) => text.trimEnd().split('\n').map(printable).join('\n  ');

/** Prints `error` for people or, with `json`, for programs. @returns the exit code. */
export function reportError(error: unknown, json: boolean): number {
  const known = error instanceof SidetrackError ? error : asBug(error);
  if (json) printJson({ error: describe(known) });
  else sayError(known);
  if (known.outcome !== undefined) return EXIT_OF[known.outcome];
  return known.source === 'user' ? EXIT_USAGE : EXIT_FAILED;
}

function sayError(error: SidetrackError): void {
  if (error instanceof ConfigError) {
    for (const diagnostic of error.diagnostics)
      say(`${pc.red('error:')} ${formatDiagnostic(diagnostic)}`);
    return;
  }
  say(`${pc.red('error:')} ${lines(error.message)}`);
  if (error.hint) say(`  hint: ${lines(error.hint)}`);
  if (error.source === 'bug' && error.cause instanceof Error) say(error.cause.stack ?? '');
}

function describe(error: SidetrackError) {
  const { code, source, message, hint, outcome } = error;
  const diagnostics = error instanceof ConfigError ? error.diagnostics : undefined;
  const moved = error instanceof StalePlan ? error.moved : undefined;
  return {
    ...{ code, source, message },
    ...(outcome && { outcome }),
    ...(hint && { hint }),
    ...(diagnostics && { diagnostics }),
    ...(moved && { moved }),
  };
}

/** Not ours: the machine has no more to give. */
const EXHAUSTED: Readonly<Record<string, string>> = {
  EMFILE: 'raise the limit, for example: ulimit -n 1024',
  ENFILE: 'the machine has no file descriptors left: sysctl fs.file-max',
};

function asBug(cause: unknown): SidetrackError {
  const hint = EXHAUSTED[(cause as NodeJS.ErrnoException | undefined)?.code ?? ''];
  if (hint !== undefined)
    return new SidetrackError('too many open files', { code: 'exhausted', source: 'host', hint });
  return new SidetrackError(`unexpected: ${cause instanceof Error ? cause.message : cause}`, {
    code: 'bug',
    source: 'bug',
    hint: 'this is a bug in sidetrack; please report it with the lines below',
    cause,
  });
}

/** Columns padded to their widest cell; numbers (cells that start with a digit) to the right. */
export function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const widths = header.map((title, column) =>
    rows.reduce((most, row) => Math.max(most, (row[column] ?? '').length), title.length),
  );
  const cell = (text: string, column: number) =>
    /^\d/.test(text) ? text.padStart(widths[column]!) : text.padEnd(widths[column]!);
  const line = (row: readonly string[]) => row.map(cell).join('  ').trimEnd();
  return [pc.bold(line(header)), ...rows.map(line)];
}
