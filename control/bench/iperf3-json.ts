/**
 * What iperf3 prints with --json, as values. Some versions print it twice, some print a warning before it, and one that
 * was killed leaves half of it, so that the text as a whole need not be JSON.
 */

export interface JsonDocuments {
  /** Those that are whole, in their order. */
  documents: unknown[];
  /** One more has begun and has no end. */
  isCutOff: boolean;
}

/** Every object of the top level; what stands between them is passed over. Of keys that stand twice the last counts. */
export function jsonDocuments(text: string): JsonDocuments {
  const documents: unknown[] = [];
  for (let at = text.indexOf('{'); at >= 0; ) {
    const end = endOfObject(text, at);
    if (end === undefined) return { documents, isCutOff: true };
    const value = parsed(text.slice(at, end));
    if (value !== undefined) documents.push(value);
    at = text.indexOf('{', end);
  }
  return { documents, isCutOff: false };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Position behind the brace that closes the one at `start`; braces in strings are not counted. */
function endOfObject(text: string, start: number): number | undefined {
  const mark = /["{}]/g;
  let depth = 0;
  for (mark.lastIndex = start; ; ) {
    const found = mark.exec(text);
    if (found === null) return undefined;
    if (found[0] === '"') {
      const end = endOfString(text, mark.lastIndex);
      if (end === undefined) return undefined;
      mark.lastIndex = end;
    } else if (found[0] === '{') depth++;
    else if (--depth === 0) return mark.lastIndex;
  }
}

/** @param start behind the opening quotation mark @returns the position behind the closing one */
function endOfString(text: string, start: number): number | undefined {
  for (let at = start; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === '"') return at + 1;
  }
  return undefined;
}
