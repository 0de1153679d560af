/** How often something dear is asked: at most a twentieth of a host's time goes into it. */

const SHARE = 20;
const LONGEST_MS = 600_000;

export class Pace {
  #due = 0;
  #took = 0;

  /** @param leastMs between two, even where it costs nothing. */
  constructor(private readonly leastMs: number) {}

  get isDue(): boolean {
    return performance.now() >= this.#due;
  }

  /** It was asked just now. */
  took(costMs: number): void {
    this.#took = performance.now();
    this.#due = this.#took + Math.min(Math.max(this.leastMs, SHARE * costMs), LONGEST_MS);
  }

  /** What is known is of no use any more. @param leastMs between two even so */
  hurry(leastMs = 0): void {
    this.#due = Math.min(this.#due, this.#took + leastMs);
  }
}
