/** Cuts one stream at boundaries, however its bytes come in. */

/** What stood in front of a boundary, and the word that it carried. */
export interface Piece {
  index: number;
  text: string;
  word: string;
}

const FIRST_SIZE = 1 << 12;
const LONGEST_WORD = 16;

export class Cutter {
  /** Pieces so far. */
  count = 0;
  /** The word of the last one. */
  last: string | undefined;
  readonly #boundary: Buffer;
  readonly #pieces: Piece[] = [];
  /** What has not been cut yet; grows by doubling, so that no byte is copied often. */
  #bytes = Buffer.allocUnsafe(FIRST_SIZE);
  #length = 0;
  /** Up to here no boundary begins. */
  #searched = 0;

  constructor(boundary: string) {
    this.#boundary = Buffer.from(`\n${boundary} `);
  }

  /** @throws RangeError when a boundary is not followed by a short word. */
  push(chunk: Buffer): void {
    this.#append(chunk);
    let from = 0;
    for (;;) {
      const at = this.#find(this.#boundary, this.#searched);
      if (at < 0) {
        this.#searched = Math.max(from, this.#length - this.#boundary.length + 1, 0);
        break;
      }
      this.#searched = at;
      const behind = at + this.#boundary.length;
      const until = this.#find('\n', behind);
      if (until < 0) {
        if (this.#length - behind > LONGEST_WORD) throw new RangeError('a boundary without an end');
        break;
      }
      const word = this.#bytes.toString('utf8', behind, until);
      // What comes before the first is never read.
      const text = this.count === 0 ? '' : this.#bytes.toString('utf8', from, at);
      this.#pieces.push({ index: this.count++, text, word });
      this.last = word;
      from = until + 1;
      this.#searched = from;
    }
    this.#drop(this.count === 0 ? this.#searched : from);
  }

  get first(): Piece | undefined {
    return this.#pieces[0];
  }

  shift(): void {
    this.#pieces.shift();
  }

  #find(what: Buffer | string, from: number): number {
    return this.#bytes.subarray(0, this.#length).indexOf(what, from);
  }

  #append(chunk: Buffer): void {
    const length = this.#length + chunk.length;
    if (length > this.#bytes.length) {
      const grown = Buffer.allocUnsafe(Math.max(length, 2 * this.#bytes.length));
      this.#bytes.copy(grown, 0, 0, this.#length);
      this.#bytes = grown;
    }
    chunk.copy(this.#bytes, this.#length);
    this.#length = length;
  }

  #drop(bytes: number): void {
    if (bytes === 0) return;
    this.#bytes.copyWithin(0, bytes, this.#length);
    this.#length -= bytes;
    this.#searched -= bytes;
  }
}
