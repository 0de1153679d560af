/**
 * Counters that begin at zero again while what they are summed with goes on. Prometheus takes a counter that is less
 * than before for one that began at zero, so such a sum would count again what had been counted. When a part
 * of a sum begins anew, all of it does: the others count from where they were.
 */

/** One of the kernel's counters. */
export interface Counted {
  /** Of this counter alone, and never of its successor. */
  id: string;
  value: number;
}

interface Known {
  value: number;
  /** What it had counted when the sum began. */
  base: number;
}

export class Sums {
  readonly #series = new Map<string, ReadonlyMap<string, Known>>();

  /** What the kernel says, as a counter that goes up or begins anew. */
  next(series: string, parts: readonly Counted[]): number {
    const before = this.#series.get(series) ?? new Map<string, Known>();
    const begun = hasBegunAnew(before, parts);
    const now = new Map<string, Known>();
    for (const { id, value } of parts) {
      const known = before.get(id);
      const goesOn = known !== undefined && value >= known.value;
      now.set(id, { value, base: goesOn ? (begun ? known.value : known.base) : 0 });
    }
    this.#series.set(series, now);
    return [...now.values()].reduce((sum, { value, base }) => sum + value - base, 0);
  }
}

/** One of them has gone, or counts less than it did. */
function hasBegunAnew(before: ReadonlyMap<string, Known>, parts: readonly Counted[]): boolean {
  const values = new Map(parts.map(({ id, value }) => [id, value]));
  return [...before].some(([id, known]) => (values.get(id) ?? -1) < known.value);
}
