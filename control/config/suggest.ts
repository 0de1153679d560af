/** "Did you mean": the nearest of a few known words. */
import damerauLevenshtein from 'damerau-levenshtein';

/** The known word that `written` most probably stands for, or nothing when none is near. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  // A pasted line is no typo, and the distance is quadratic.
  if (written.length > 64) return undefined;
  const plain = (word: string): string => word.toLowerCase().replaceAll('-', '_');
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(written.length / 3)) + 1;
  for (const word of known) {
    // A swap of two neighbours is one edit.
    const { steps: distance } = damerauLevenshtein(plain(written), plain(word));
    if (distance < bestDistance) {
      best = word;
      bestDistance = distance;
    }
  }
  return best;
}

/** Hint for an unknown word: the nearest known one, or else all of them. */
export function suggestion(written: string, known: readonly string[]): string | undefined {
  const word = nearest(written, known);
  if (word !== undefined) return `did you mean "${word}"?`;
  return known.length === 0 ? undefined : `known here: ${known.join(', ')}`;
}
