/**
 * Who has to act on an error.
 * `user`: the configuration or the command line is wrong; exit code 2.
 * `host`: a machine lacks something or refuses (privilege, program, interface); exit code 1.
 * `kernel`: the kernel rejected what we asked for; exit code 1.
 * `bug`: sidetrack itself is wrong; exit code 1.
 */
export const ERROR_SOURCES = ['user', 'host', 'kernel', 'bug'] as const;
export type ErrorSource = (typeof ERROR_SOURCES)[number];

export interface SidetrackErrorOptions {
  /** Stable kebab-case name that scripts may match on, e.g. `interface-missing`. */
  code: string;
  source: ErrorSource;
  /** What to type or change next, one line. */
  hint?: string;
  /** What became of a change that was begun, where that is not all or nothing; each has an exit code of its own. */
  outcome?: Outcome;
  cause?: unknown;
}

/**
 * `reverted`: and read back. `reverted-in-part`: something is left, or a host does not say. `not-persisted`: the change
 * stands, but not beyond the next boot.
 */
export type Outcome = 'reverted' | 'reverted-in-part' | 'not-persisted';

/** The only error type that reaches the command line; everything else is printed as a bug. */
export class SidetrackError extends Error {
  readonly code: string;
  readonly source: ErrorSource;
  readonly hint: string | undefined;
  readonly outcome: Outcome | undefined;

  constructor(message: string, options: SidetrackErrorOptions) {
    super(message, { cause: options.cause });
    this.name = 'SidetrackError';
    this.code = options.code;
    this.source = options.source;
    this.hint = options.hint;
    this.outcome = options.outcome;
  }
}
