/**
 * Hosts for which the comparison takes longer than a reading may: a hundred thousand prefixes on a small router. Nobody
 * waits for it then.
 */
import type { KeptHost, Questions } from './kept-host.js';
import { Pace } from './pace.js';
import type { HostAnswers } from './questions.js';

const LONGEST_MS = 120_000;

interface Entry {
  pace: Pace;
  isRunning: boolean;
}

export class Apart {
  readonly #entries = new Map<string, Entry>();

  /** @param leastMs between two of a host */
  constructor(private readonly leastMs: number) {}

  has(name: string): boolean {
    return this.#entries.has(name);
  }

  add(name: string): void {
    this.#entries.set(name, { pace: new Pace(this.leastMs), isRunning: false });
  }

  hurry(): void {
    for (const { pace } of this.#entries.values()) pace.hurry();
  }

  /** Asks it, if it is time to. @param found told of the answers */
  ask(
    host: KeptHost,
    questions: Questions<HostAnswers>,
    found: (answers: HostAnswers) => void,
  ): void {
    const entry = this.#entries.get(host.name);
    if (entry === undefined || entry.isRunning || !entry.pace.isDue) return;
    entry.isRunning = true;
    const began = performance.now();
    host
      .readApart(questions, LONGEST_MS)
      .then(found)
      // That it does not answer its readings say; how old its state is, its time does.
      .catch(() => undefined)
      .finally(() => {
        entry.isRunning = false;
        entry.pace.took(performance.now() - began);
      });
  }
}
