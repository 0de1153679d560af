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

/** Of a place in a text that is not read by lines. */
export function positionIn(file: string, text: string, offset: number): At {
  return () => {
    const before = text.slice(0, offset);
    const line = before.split('\n').length;
    return { file, line, column: offset - before.lastIndexOf('\n') };
  };
}
