/** `1 connection`, `2 connections`, `1 entry`, `3 entries`. */
export function count(number: number, what: string): string {
  if (number === 1) return `1 ${what}`;
  return `${number} ${what.replace(/y$/, 'ie')}s`;
}
