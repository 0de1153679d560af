/** The lines of a text, one after the other: a list of a million makes no array of them. */
import type { At } from '../gathering.js';

export interface Line {
  /** Without blanks around it; never empty. */
  text: string;
  at: At;
}

export function* linesOf(file: string, text: string): Generator<Line> {
  let number = 0;
  for (let start = text.startsWith('\ufeff') ? 1 : 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    const whole = text.slice(start, end);
    start = end + 1;
    const line = ++number;
    const content = whole.trim();
    if (content === '') continue;
    yield {
      text: content,
      at: () => ({ file, line, column: whole.indexOf(content) + 1 }),
    };
  }
}

/** No line of a list is longer; its words would take a hundred times its length. */
const LONGEST_LINE = 64 * 1024;

/** The first line that is too long to be divided; 0 where there is none. */
export function tooLongLine(text: string): number {
  let number = 0;
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf('\n', start);
    const end = newline < 0 ? text.length : newline;
    number++;
    if (end - start > LONGEST_LINE) return number;
    start = end + 1;
  }
  return 0;
}

/** Of a place in a text that is not read by lines. */
export function positionIn(file: string, text: string, offset: number): At {
  return () => {
    const before = text.slice(0, offset);
    const line = before.split('\n').length;
    return { file, line, column: offset - before.lastIndexOf('\n') };
  };
}
