/** Output without a reader: what is under way goes on, since a change must not stop half-way. */
import { EXIT_FAILED, say } from './output.js';

const WORDS: Readonly<Record<string, string>> = {
  ENOSPC: 'no space left on the device',
  EIO: 'the terminal has gone',
};

/** To be called once, before anything is written. */
export function outliveReaders(): void {
  let failed: string | undefined;
  process.stdout.on('error', ({ code = 'unknown error' }: NodeJS.ErrnoException) => {
    // A reader that closes the pipe early (head) is no error.
    if (code === 'EPIPE' || failed !== undefined) return;
    failed = WORDS[code] ?? code;
    say(`error: the output could not be written: ${failed}`);
  });
  process.stderr.on('error', () => {});
  process.on('exit', () => {
    if (failed !== undefined) process.exitCode ||= EXIT_FAILED;
  });
}
