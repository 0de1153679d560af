/** What the relay's owner throws; `code` is an errno name (`EADDRINUSE`) or `library-missing`. */
export class RelayError extends Error {
  constructor(
    message: string,
    readonly code: string,
    /** What to do next, one line. */
    readonly hint: string,
  ) {
    super(message);
    this.name = 'RelayError';
  }
}
