/** Two texts as lines that stay, go and come. Pure. */

export interface DiffLine {
  sign: ' ' | '+' | '-';
  text: string;
}

/** More is told without order: every line that is not in the other text. */
const LONGEST = 2000;

/** The longest common subsequence stays. */
export function lineDiff(before: string, after: string): DiffLine[] {
  const [old, fresh] = [linesOf(before), linesOf(after)];
  if (old.length > LONGEST || fresh.length > LONGEST) return unordered(old, fresh);
  const common = commonLengths(old, fresh);
  const lines: DiffLine[] = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      lines.push({ sign: ' ', text: old[i]! });
      i++;
      j++;
    } else if (j === fresh.length || (i < old.length && common[i + 1]![j]! >= common[i]![j + 1]!)) {
      lines.push({ sign: '-', text: old[i++]! });
    } else lines.push({ sign: '+', text: fresh[j++]! });
  }
  return lines;
}

const linesOf = (text: string) => (text === '' ? [] : text.replace(/\n$/, '').split('\n'));

function unordered(old: readonly string[], fresh: readonly string[]): DiffLine[] {
  const [before, after] = [new Set(old), new Set(fresh)];
  return [
    ...old.filter((text) => !after.has(text)).map((text) => ({ sign: '-' as const, text })),
    ...fresh.filter((text) => !before.has(text)).map((text) => ({ sign: '+' as const, text })),
  ];
}

/** How long the longest common subsequence of what is behind each pair of places is. */
function commonLengths(old: readonly string[], fresh: readonly string[]): number[][] {
  const lengths = Array.from({ length: old.length + 1 }, () =>
    new Array<number>(fresh.length + 1).fill(0),
  );
  for (let i = old.length - 1; i >= 0; i--)
    for (let j = fresh.length - 1; j >= 0; j--)
      lengths[i]![j] =
        old[i] === fresh[j]
          ? lengths[i + 1]![j + 1]! + 1
          : Math.max(lengths[i + 1]![j]!, lengths[i]![j + 1]!);
  return lengths;
}
