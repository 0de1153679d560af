/**
 * Text in a place of so many columns. A width that is guessed is guessed too large: a terminal that draws
 * less leaves a gap, one that draws more would push the rest of the line away.
 */
import { printable } from '../../config/diagnostic.js';

/** Halfwidth Katakana belong to a script whose other letters are wide. */
const NARROW = /[\uff61-\uffdc\uffe8-\uffee]/u;
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Script=Yi}\p{Script=Tangut}\p{Script=Nushu}\p{Emoji_Presentation}\p{Extended_Pictographic}\p{Regional_Indicator}\u2329\u232a\u3000-\u303e\ufe10-\ufe19\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6]/u;
const MARK = /^\p{M}$/u;
const PLAIN = /^[\x20-\x7e]*$/;
/** What `printable` leaves and what a terminal may not show, or show as anything. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}]/gu;
/** A letter with more marks than any language needs would cover its neighbours. */
const HEAP_OF_MARKS = /(\p{M}{2})\p{M}+/gu;

/** Steers no terminal, hides nothing and covers nothing. */
export function harmless(text: string): string {
  if (PLAIN.test(text)) return text;
  return printable(text).replace(UNSEEN, '?').replace(HEAP_OF_MARKS, '$1');
}

function widthOfOne(character: string): number {
  if (character < '\x7f') return 1;
  if (MARK.test(character)) return 0;
  return WIDE.test(character) && !NARROW.test(character) ? 2 : 1;
}

/** Columns that a terminal needs for `text`, which is harmless. */
export function widthOf(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const character of text) width += widthOfOne(character);
  return width;
}

/** As much of `text` as fits; what is cut ends in `~`. */
export function cut(text: string, width: number): string {
  if (widthOf(text) <= width) return text;
  let kept = '';
  let left = width - 1;
  for (const character of text) {
    left -= widthOfOne(character);
    if (left < 0) break;
    kept += character;
  }
  return width < 1 ? '' : `${kept}~`;
}

/** Exactly `width` columns. */
export function padded(text: string, width: number, right = false): string {
  const shown = cut(text, width);
  const space = ' '.repeat(Math.max(width - widthOf(shown), 0));
  return right ? space + shown : shown + space;
}
