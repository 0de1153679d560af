/** Reads the file of a set: one entry a line, `#` starts a comment, the families may be mixed. */
import { readFile } from 'node:fs/promises';
import { type Diagnostic, diagnosticAt, type Problem } from './diagnostic.js';
import { type AddressEntry, isProblem, parseEntry } from './entry.js';

/** A list in the wrong format is wrong in every line; nobody reads more than these. */
const MOST_BAD_LINES = 10;
/** Longer than any range of IPv6 addresses; what is longer is cut when it is quoted. */
const LONGEST_ENTRY = 90;

export interface SetEntries {
  entries: AddressEntry[];
  diagnostics: Diagnostic[];
}

/** What the system says about a file, in words; the code where we have none. */
export function readFailure(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? 'unknown error';
  const words: Record<string, string> = {
    ENOENT: 'no such file',
    EACCES: 'permission denied',
    EISDIR: 'it is a directory',
  };
  return words[code] ?? code;
}

function parseLine(text: string): AddressEntry | Problem {
  if (text.length <= LONGEST_ENTRY) return parseEntry(text);
  return { message: `"${text.slice(0, 40)}…" is not an IP address` };
}

/** Entries of the good lines, and a diagnostic for each of the first bad ones. */
export function parseSetFile(file: string, text: string): SetEntries {
  const entries: AddressEntry[] = [];
  const diagnostics: Diagnostic[] = [];
  let badLines = 0;
  let lastBadLine = 0;
  let line = 0;
  for (let start = text.startsWith('\ufeff') ? 1 : 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const whole = text.slice(start, end);
    const comment = whole.indexOf('#');
    const content = (comment < 0 ? whole : whole.slice(0, comment)).trim();
    start = end + 1;
    line++;
    if (content === '') continue;
    const entry = parseLine(content);
    if (!isProblem(entry)) {
      entries.push(entry);
      continue;
    }
    lastBadLine = line;
    if (++badLines > MOST_BAD_LINES) continue;
    diagnostics.push(diagnosticAt({ file, line, column: whole.indexOf(content) + 1 }, entry));
  }
  const untold = badLines - MOST_BAD_LINES;
  if (untold > 0) {
    const message = `and ${untold} more bad ${untold === 1 ? 'line' : 'lines'} up to here`;
    diagnostics.push(diagnosticAt({ file, line: lastBadLine, column: 1 }, { message }));
  }
  return { entries, diagnostics };
}

/** Reads and parses; rejects as `readFile` does when the file cannot be read. */
export async function readSetFile(file: string): Promise<SetEntries> {
  return parseSetFile(file, await readFile(file, 'utf8'));
}
