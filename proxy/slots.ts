/**
 * Where the engine counts what has a name: upstreams and routes. A name keeps its slot over reloads,
 * so its counters never go back. A slot whose name has been removed keeps that name until another
 * needs the room, and never changes hands while a connection still uses it.
 */
import { RelayError } from './error.js';

export type IsBusy = (slot: number) => boolean;

export class Slots {
  readonly #names: (string | undefined)[];
  /** Slots by when they were last configured, the longest ago first. */
  #order: number[];
  #current: readonly number[] = [];

  /** @param fixed names of the first slots, which are always there. */
  constructor(
    size: number,
    private readonly fixed: readonly string[] = [],
  ) {
    this.#names = Array.from({ length: size }, (_, i) => fixed[i]);
    this.#order = this.#names.map((_, slot) => slot).slice(fixed.length);
  }

  /** A slot for each name; nothing changes before `commit`. @throws RelayError when there is none left. */
  propose(names: readonly string[], isBusy: IsBusy): number[] {
    const kept = names.map((name) => this.#names.indexOf(name));
    const free = this.#order.filter((slot) => !kept.includes(slot) && !isBusy(slot));
    // Never used ones first: those have no counters to keep apart.
    const unused = free.filter((slot) => this.#names[slot] === undefined);
    const candidates = [...unused, ...free.filter((slot) => !unused.includes(slot))];
    return kept.map((slot) => {
      const chosen = slot >= 0 ? slot : candidates.shift();
      if (chosen !== undefined) return chosen;
      throw new RelayError(
        'connections still use too many upstreams or routes of earlier configurations',
        'no-slot',
        'reload again when they have ended, or restart the relay',
      );
    });
  }

  /** Those of the proposed slots that another name has had before. */
  reused(names: readonly string[], slots: readonly number[]): number[] {
    return slots.filter((slot, i) => ![undefined, names[i]].includes(this.#names[slot]));
  }

  commit(names: readonly string[], slots: readonly number[]): void {
    slots.forEach((slot, i) => {
      this.#names[slot] = names[i];
    });
    this.#order = [...this.#order.filter((slot) => !slots.includes(slot)), ...slots];
    this.#current = slots;
  }

  /** Of a configured name; -1 when it is not. */
  slotOf(name: string): number {
    return this.#current.find((slot) => this.#names[slot] === name) ?? -1;
  }

  /** By slot, for records of the past. */
  get names(): readonly (string | undefined)[] {
    return this.#names;
  }

  /** By slot: what is configured, and what connections still use. */
  visible(isBusy: IsBusy): (string | undefined)[] {
    return this.#names.map((name, slot) =>
      slot < this.fixed.length || this.#current.includes(slot) || isBusy(slot) ? name : undefined,
    );
  }
}
