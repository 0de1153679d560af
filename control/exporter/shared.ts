/** Those who ask at the same time, or soon after, get the same answer. */
export class Shared<T> {
  #running: Promise<T> | undefined;
  #last: { value: T; at: number } | undefined;

  /** @param freshMs how old an answer may be. */
  constructor(
    private readonly make: () => Promise<T>,
    private readonly freshMs: number,
  ) {}

  get(): Promise<T> {
    if (this.#running !== undefined) return this.#running;
    if (this.#last !== undefined && performance.now() - this.#last.at < this.freshMs)
      return Promise.resolve(this.#last.value);
    this.#running = this.make()
      .then((value) => {
        this.#last = { value, at: performance.now() };
        return value;
      })
      .finally(() => {
        this.#running = undefined;
      });
    return this.#running;
  }
}
