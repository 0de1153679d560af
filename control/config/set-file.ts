/** Reads the file of a set: one entry a line, `#` and `;` start comments, the families may be mixed. */
import { readFile } from 'node:fs/promises';
import { type Diagnostic, diagnosticAt, type Problem } from './diagnostic.js';
import { type AddressEntry, isProblem, parseEntry } from './entry.js';
import { foreignProblem } from './foreign-list.js';

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
    EAGAIN: 'nobody has written to this pipe',
    ENOTDIR: 'a part of its path is no directory',
    ELOOP: 'its symbolic links lead in a circle',
    ENAMETOOLONG: 'its name is too long',
  };
  return words[code] ?? code;
}

function parseLine(text: string): AddressEntry | Problem {
  if (text.length > LONGEST_ENTRY)
    return { message: `"${text.slice(0, 40)}…" is not an IP address` };
  const entry = parseEntry(text);
  return isProblem(entry) ? (foreignProblem(text) ?? entry) : entry;
}

/** Index of the comment's first character, or of the end. */
function commentAt(line: string): number {
  const [hash, semicolon] = [line.indexOf('#'), line.indexOf(';')];
  if (hash < 0) return semicolon < 0 ? line.length : semicolon;
  return semicolon < 0 ? hash : Math.min(hash, semicolon);
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
    const content = whole.slice(0, commentAt(whole)).trim();
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
  const bytes = await readFile(file);
  const problem = encodingProblem(bytes);
  if (problem === undefined) return parseSetFile(file, bytes.toString('utf8'));
  return { entries: [], diagnostics: [diagnosticAt({ file, line: 1, column: 1 }, problem)] };
}

/** What Windows programs call Unicode, or no text at all. */
function encodingProblem(bytes: Buffer): Problem | undefined {
  const mark = bytes.subarray(0, 2).toString('hex');
  if (mark === 'fffe' || mark === 'feff')
    return {
      message: 'the file is UTF-16, not UTF-8',
      hint: 'convert it: iconv -f UTF-16 -t UTF-8',
    };
  if (bytes.includes(0)) return { message: 'the file is binary, not a list' };
  return undefined;
}
