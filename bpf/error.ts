/**
 * The classifier's own errors. They have the fields of the control plane's error, which this
 * package must not know: a caller passes them on as they are.
 */
export interface ClassifierErrorOptions {
  /** Stable kebab-case name that scripts may match on. */
  code: string;
  /** Who has to act: see control/error.ts. */
  source: 'user' | 'host' | 'kernel' | 'bug';
  /** What to type or change next, one line. */
  hint?: string;
  /** What the kernel's verifier said, all of it. */
  verifierLog?: string;
  cause?: unknown;
}

export class ClassifierError extends Error {
  readonly code: string;
  readonly source: ClassifierErrorOptions['source'];
  readonly hint: string | undefined;
  readonly verifierLog: string | undefined;

  constructor(message: string, options: ClassifierErrorOptions) {
    super(message, { cause: options.cause });
    this.name = 'ClassifierError';
    this.code = options.code;
    this.source = options.source;
    this.hint = options.hint;
    this.verifierLog = options.verifierLog;
  }
}
