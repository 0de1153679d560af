/** Merging of inclusive intervals given as two parallel arrays. */

/**
 * Starts and ends are sorted independently of each other, which native typed-array sorting does
 * fastest: between the i-th and the next interval there is a hole exactly where the next smallest
 * start lies beyond the i-th smallest end, for then i intervals end before it and all others start
 * behind it. Intervals that only touch are joined, too.
 */
export function mergeV4(
  starts: ArrayLike<number>,
  ends: ArrayLike<number>,
): { starts: Uint32Array; ends: Uint32Array } {
  const sortedStarts = Uint32Array.from(starts).sort();
  const sortedEnds = Uint32Array.from(ends).sort();
  let merged = 0;
  let opened = sortedStarts[0] ?? 0;
  for (let i = 0; i < sortedEnds.length; i++) {
    const end = sortedEnds[i]!;
    const next = sortedStarts[i + 1];
    if (next !== undefined && next <= end + 1) continue;
    // The write index never passes the read index, so both arrays are reused in place.
    sortedStarts[merged] = opened;
    sortedEnds[merged++] = end;
    opened = next ?? 0;
  }
  return { starts: sortedStarts.slice(0, merged), ends: sortedEnds.slice(0, merged) };
}

function sortBigints(values: readonly bigint[]): readonly bigint[] {
  // Published lists are sorted already, and comparing bigints in a callback is slow.
  if (values.every((value, i) => i === 0 || values[i - 1]! <= value)) return values;
  return values.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
}

/** The same for IPv6. */
export function mergeV6(
  starts: readonly bigint[],
  ends: readonly bigint[],
): { starts: bigint[]; ends: bigint[] } {
  const sortedStarts = sortBigints(starts);
  const sortedEnds = sortBigints(ends);
  const merged: { starts: bigint[]; ends: bigint[] } = { starts: [], ends: [] };
  let opened = sortedStarts[0];
  for (let i = 0; i < sortedEnds.length; i++) {
    const next = sortedStarts[i + 1];
    if (next !== undefined && next <= sortedEnds[i]! + 1n) continue;
    merged.starts.push(opened!);
    merged.ends.push(sortedEnds[i]!);
    opened = next;
  }
  return merged;
}
