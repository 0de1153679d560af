/** What is wrong with a configuration, where, and what to write instead. */
import { SidetrackError } from '../error.js';

/** Something wrong with one value; what knows the value's position makes it a `Diagnostic`. */
export interface Problem {
  message: string;
  /** What to write instead, one line. */
  hint?: string;
}

/** A position in a file; lines and columns count from 1. */
export interface Position {
  file: string;
  line: number;
  column: number;
}

export interface Diagnostic extends Position, Problem {}

/** Hides the credentials in anything that looks like a URL. */
function hideSecrets(text: string): string {
  return text.replace(/\/\/[^\s/:@]*:[^\s/]*@/g, '//…@');
}

/** Control characters of a downloaded list, or of a file's name, do nothing to a terminal. */
export function printable(text: string): string {
  return text.replace(
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g,
    (one) => {
      const code = one.charCodeAt(0);
      return code > 0xff ? `\\u${code.toString(16)}` : `\\x${code.toString(16).padStart(2, '0')}`;
    },
  );
}

/** The one way to make a diagnostic, so that none ever carries a password or a control character. */
export function diagnosticAt(position: Position, { message, hint }: Problem): Diagnostic {
  return {
    ...position,
    message: printable(hideSecrets(message)),
    ...(hint !== undefined && { hint: printable(hideSecrets(hint)) }),
  };
}

/** `sidetrack.yaml:14:9: unknown key "adress"; did you mean "address"?` */
export function formatDiagnostic(diagnostic: Diagnostic): string {
  const { file, line, column, message, hint } = diagnostic;
  return `${printable(file)}:${line}:${column}: ${message}${hint === undefined ? '' : `; ${hint}`}`;
}

/** Order of reading within each file; files keep the order in which they first appear. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): Diagnostic[] {
  const files = [...new Set(diagnostics.map((d) => d.file))];
  return diagnostics.toSorted(
    (a, b) =>
      files.indexOf(a.file) - files.indexOf(b.file) || a.line - b.line || a.column - b.column,
  );
}

/** The configuration is wrong; the message is every diagnostic, one a line. */
export class ConfigError extends SidetrackError {
  readonly diagnostics: readonly Diagnostic[];

  /** @param mayPass nothing is wrong but files that are not there, perhaps not yet. */
  constructor(
    diagnostics: readonly Diagnostic[],
    readonly mayPass = false,
  ) {
    const sorted = sortDiagnostics(diagnostics);
    super(sorted.map(formatDiagnostic).join('\n'), { code: 'config-invalid', source: 'user' });
    this.name = 'ConfigError';
    this.diagnostics = sorted;
  }
}
