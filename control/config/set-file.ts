/** A plain list: one entry a line, `#` and `;` start comments, the families may be mixed. */
import { type AddressEntry, type EntryProblem, isProblem, parseEntry } from './entry.js';
import { type ForeignProblem, foreignProblem } from './foreign-list.js';
import {
  type At,
  Gathering,
  type GatheringOptions,
  type SetEntries,
  tooLong,
} from './gathering.js';
import { formatProblem } from './list-format.js';

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

/** A list as people write it, and what they may have put in its place. */
class PlainList extends Gathering {
  /** Nothing more needs to be read. */
  foreign = false;

  protected override parse(text: string): AddressEntry | (EntryProblem & ForeignProblem) {
    const long = tooLong(text);
    if (long !== undefined) return long;
    const entry = parseEntry(text);
    return isProblem(entry) && !entry.noPacket ? (foreignProblem(text) ?? entry) : entry;
  }

  override refuse(content: string, problem: ForeignProblem, at: At): void {
    const isFirst = this.bad === 0;
    const format = isFirst ? formatProblem(content) : undefined;
    this.foreign = format !== undefined || (isFirst && problem.wholeFile === true);
    super.refuse(content, format ?? problem, at);
  }
}

/** Entries of the good lines, and a diagnostic for each of the first bad ones. */
export function parseSetFile(
  file: string,
  text: string,
  options: GatheringOptions = {},
): SetEntries {
  const found = new PlainList(options);
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
