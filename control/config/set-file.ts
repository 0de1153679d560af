/** Reads the file of a set: one entry a line, `#` and `;` start comments, the families may be mixed. */
import { readFile } from 'node:fs/promises';
import { type Diagnostic, diagnosticAt, type Position, type Problem } from './diagnostic.js';
import {
  type AddressEntry,
  type EntryProblem,
  isEverything,
  isProblem,
  parseEntry,
} from './entry.js';
import { type ForeignProblem, foreignProblem } from './foreign-list.js';
import { formatProblem } from './list-format.js';

/** A list in the wrong format is wrong in every line; these are enough. */
const MOST_BAD_LINES = 10;
/** Longer than any range of IPv6 addresses; what is longer is cut when it is quoted. */
const LONGEST_ENTRY = 90;

export interface SetEntries {
  entries: AddressEntry[];
  diagnostics: Diagnostic[];
  /** What was left out, and what is hardly meant. */
  warnings: Diagnostic[];
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
    EFBIG: 'it is too long',
    ENAMETOOLONG: 'its name is too long',
  };
  return words[code] ?? code;
}

function parseLine(text: string): AddressEntry | (EntryProblem & ForeignProblem) {
  if (text.length > LONGEST_ENTRY)
    return { message: `"${text.slice(0, 40)}…" is not an IP address` };
  const entry = parseEntry(text);
  return isProblem(entry) && !entry.noPacket ? (foreignProblem(text) ?? entry) : entry;
}

/** A semicolon within a number's row separates columns. */
const COLUMN = /\S;["\d]/;

/** Index of the comment's first character, or of the end. */
function commentAt(line: string): number {
  const hash = line.indexOf('#');
  let semicolon = line.indexOf(';');
  if (semicolon >= 0 && COLUMN.test(line)) semicolon = -1;
  if (hash < 0) return semicolon < 0 ? line.length : semicolon;
  return semicolon < 0 ? hash : Math.min(hash, semicolon);
}

/** Collects what the lines of one file are, and what is said of them. */
class SetFile implements SetEntries {
  readonly entries: AddressEntry[] = [];
  readonly diagnostics: Diagnostic[] = [];
  readonly warnings: Diagnostic[] = [];
  /** Nothing more needs to be read. */
  foreign = false;
  #bad = 0;
  #lastBad: Position | undefined;
  #skipped: { at: Position; problem: Problem; more: number } | undefined;
  #everything = false;

  take(content: string, at: () => Position): void {
    const entry = parseLine(content);
    if (!isProblem(entry)) {
      this.entries.push(entry);
      if (isEverything(entry)) this.#warnOfEverything(content, at());
    } else if (entry.noPacket) this.#skip(entry, at());
    else this.#refuse(content, entry, at());
  }

  /** One warning: who writes it for one family mostly does for both. */
  #warnOfEverything(content: string, at: Position): void {
    if (this.#everything) return;
    this.#everything = true;
    const message = `"${content}" is every address: a rule with this set matches them all`;
    this.warnings.push(diagnosticAt(at, { message, hint: 'take it out unless you mean that' }));
  }

  #skip(problem: Problem, at: Position): void {
    if (this.#skipped) this.#skipped.more++;
    else this.#skipped = { at, problem, more: 0 };
  }

  #refuse(content: string, problem: ForeignProblem, at: Position): void {
    this.#lastBad = at;
    const format = this.#bad === 0 ? formatProblem(content) : undefined;
    this.foreign = format !== undefined || (this.#bad === 0 && problem.wholeFile === true);
    if (++this.#bad <= MOST_BAD_LINES) this.diagnostics.push(diagnosticAt(at, format ?? problem));
  }

  end(): void {
    const untold = this.#bad - MOST_BAD_LINES;
    if (untold > 0) {
      const message = `and ${untold} more bad ${untold === 1 ? 'line' : 'lines'} up to here`;
      this.diagnostics.push(diagnosticAt({ ...this.#lastBad!, column: 1 }, { message }));
    }
    if (this.#skipped === undefined) return;
    const { at, problem, more } = this.#skipped;
    const others = more === 0 ? '' : `, and ${more} more ${more === 1 ? 'line' : 'lines'} like it`;
    const message = `left out: ${problem.message}${others}`;
    this.warnings.push(diagnosticAt(at, { ...problem, message }));
  }
}

/** Entries of the good lines, and a diagnostic for each of the first bad ones. */
export function parseSetFile(file: string, text: string): SetEntries {
  const found = new SetFile();
  let line = 0;
  for (let start = text.startsWith('\ufeff') ? 1 : 0; start < text.length && !found.foreign; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const whole = text.slice(start, end);
    const content = whole.slice(0, commentAt(whole)).trim();
    start = end + 1;
    const number = ++line;
    if (content === '') continue;
    found.take(content, () => ({ file, line: number, column: whole.indexOf(content) + 1 }));
  }
  found.end();
  return found;
}

/** Reads and parses; rejects as `readFile` does when the file cannot be read. */
export async function readSetFile(file: string): Promise<SetEntries> {
  const bytes = await readFile(file);
  const problem = encodingProblem(bytes);
  if (problem === undefined) return parseSetFile(file, bytes.toString('utf8'));
  const diagnostics = [diagnosticAt({ file, line: 1, column: 1 }, problem)];
  return { entries: [], diagnostics, warnings: [] };
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
