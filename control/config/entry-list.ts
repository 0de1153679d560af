/**
 * Entries of a list that may have millions: numbers in arrays of bytes, eight bytes for one of IPv4 and 32 for one of IPv6. As
 * objects they would take ten times as much.
 */
import type { AddressEntry } from './entry.js';

/** What has entries, whichever way it keeps them. */
export interface Entries extends Iterable<AddressEntry> {
  readonly length: number;
}

const FIRST_ROOM = 16;
const LOW = (1n << 64n) - 1n;

export class EntryList implements Entries {
  /** First and last address by turns. */
  #v4 = new Uint32Array(FIRST_ROOM);
  /** The same; the high half of each address stands before the low one. */
  #v6 = new BigUint64Array(FIRST_ROOM);
  #v4Count = 0;
  #v6Count = 0;

  static of(...all: readonly Entries[]): EntryList {
    const [first] = all;
    if (all.length === 1 && first instanceof EntryList) return first;
    const list = new EntryList();
    for (const entries of all) for (const entry of entries) list.push(entry);
    return list;
  }

  get length(): number {
    return this.#v4Count + this.#v6Count;
  }

  countOf(family: AddressEntry['family']): number {
    return family === 4 ? this.#v4Count : this.#v6Count;
  }

  push(entry: AddressEntry): void {
    if (entry.family === 4) this.#pushV4(entry.first, entry.last);
    else this.#pushV6(entry.first, entry.last);
  }

  #pushV4(first: number, last: number): void {
    const at = 2 * this.#v4Count++;
    if (at === this.#v4.length) {
      const larger = new Uint32Array(2 * at);
      larger.set(this.#v4);
      this.#v4 = larger;
    }
    this.#v4[at] = first;
    this.#v4[at + 1] = last;
  }

  #pushV6(first: bigint, last: bigint): void {
    const at = 4 * this.#v6Count++;
    if (at === this.#v6.length) {
      const larger = new BigUint64Array(2 * at);
      larger.set(this.#v6);
      this.#v6 = larger;
    }
    this.#v6[at] = first >> 64n;
    this.#v6[at + 1] = first & LOW;
    this.#v6[at + 2] = last >> 64n;
    this.#v6[at + 3] = last & LOW;
  }

  /** Those of IPv4 come first, each family in the order in which they came. */
  *[Symbol.iterator](): Generator<AddressEntry> {
    for (let at = 0; at < 2 * this.#v4Count; at += 2)
      yield { family: 4, first: this.#v4[at]!, last: this.#v4[at + 1]! };
    for (let at = 0; at < 4 * this.#v6Count; at += 4)
      yield { family: 6, first: this.#address(at), last: this.#address(at + 2) };
  }

  /** Neither sorted nor merged. */
  v4Intervals(): { starts: Uint32Array; ends: Uint32Array } {
    const [starts, ends] = [new Uint32Array(this.#v4Count), new Uint32Array(this.#v4Count)];
    for (let i = 0; i < this.#v4Count; i++) {
      starts[i] = this.#v4[2 * i]!;
      ends[i] = this.#v4[2 * i + 1]!;
    }
    return { starts, ends };
  }

  v6Intervals(): { starts: bigint[]; ends: bigint[] } {
    const [starts, ends]: [bigint[], bigint[]] = [[], []];
    for (let i = 0; i < this.#v6Count; i++) {
      starts.push(this.#address(4 * i));
      ends.push(this.#address(4 * i + 2));
    }
    return { starts, ends };
  }

  #address(at: number): bigint {
    return (this.#v6[at]! << 64n) | this.#v6[at + 1]!;
  }
}
