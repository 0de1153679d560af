/** "Did you mean": the nearest of a few known words. */

/** Edit distance that counts a swap of two neighbours as one edit. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(rows[i - 1]![j]! + 1, row[j - 1]! + 1, rows[i - 1]![j - 1]! + change);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, rows[i - 2]![j - 2]! + 1);
      }
      row.push(best);
    }
    rows.push(row);
  }
  return rows[a.length]![b.length]!;
}

/** The known word that `written` most probably stands for, or nothing when none is near. */
export function nearest(written: string, known: readonly string[]): string | undefined {
  // A pasted line is no typo, and the distance is quadratic.
  if (written.length > 64) return undefined;
  const plain = (word: string): string => word.toLowerCase().replaceAll('-', '_');
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(written.length / 3)) + 1;
  for (const word of known) {
    const distance = editDistance(plain(written), plain(word));
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
