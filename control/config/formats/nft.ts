/**
 * Files for nft: `define NAME = { … }`, the elements of `set NAME { … }`, alone or with it, and `add element … NAME { … }`.
 * Read by words, once from the first to the last.
 */
import type { Gathering } from '../gathering.js';
import type { ListChoice } from './choice.js';
import { positionIn } from './lines.js';
import { MOST_SETS, manySets } from './several.js';

interface Word {
  text: string;
  offset: number;
}

/** Names, addresses and texts; braces, commas, `=` and ends of commands are words of their own. */
const WORD = /#[^\n]*|"[^"\n]*"|[{},;=\n]|[^\s{},;="#]+/g;

class Words {
  #words = new RegExp(WORD);
  #next: Word | undefined;

  constructor(private readonly text: string) {
    this.#next = this.#read();
  }

  get next(): Word | undefined {
    return this.#next;
  }

  take(): Word | undefined {
    const word = this.#next;
    // Behind its last match a pattern begins anew.
    if (word !== undefined) this.#next = this.#read();
    return word;
  }

  /** @returns whether it was there, and is taken */
  has(text: string): boolean {
    if (this.#next?.text !== text) return false;
    this.take();
    return true;
  }

  #read(): Word | undefined {
    for (;;) {
      const match = this.#words.exec(this.text);
      if (match === null) return undefined;
      const [text] = match;
      if (!text.startsWith('#')) return { text, offset: match.index };
    }
  }
}

export function readNft(
  file: string,
  text: string,
  { sourceSet }: ListChoice,
  found: Gathering,
): void {
  new NftFile(file, text, sourceSet, found).read();
}

class NftFile {
  readonly #words: Words;
  /** Sets that something was taken from, and where the first of it stands. */
  readonly #sets = new Map<string, number>();

  constructor(
    private readonly file: string,
    private readonly text: string,
    private readonly wanted: string | undefined,
    private readonly found: Gathering,
  ) {
    this.#words = new Words(text);
  }

  read(): void {
    for (let word = this.#words.take(); word !== undefined; word = this.#words.take()) {
      if (word.text === 'define') this.#define();
      else if (word.text === 'set') this.#set();
      else if (word.text === 'element') this.#element();
      // A file that is included within a set.
      else if (word.text === 'elements' && this.#words.has('=') && this.#words.has('{'))
        this.#elements(word);
    }
    const sets = [...this.#sets].map(([name, offset]) => [name, this.#at(offset)] as const);
    manySets(sets, this.found);
  }

  #at(offset: number) {
    return positionIn(this.file, this.text, offset);
  }

  #define(): void {
    const name = this.#words.take();
    if (name === undefined || !this.#words.has('=')) return;
    if (this.#words.has('{')) this.#elements(name);
    else if (this.#isMeant(name.text) && /^[0-9a-f.:/-]*[.:]/i.test(this.#words.next?.text ?? ''))
      this.#elements(name, '\n');
  }

  /** `set NAME { type …; elements = { … } }` */
  #set(): void {
    const name = this.#named();
    if (name === undefined) return;
    for (let depth = 1; depth > 0; ) {
      const word = this.#words.take();
      if (word === undefined) return;
      if (word.text === '{') depth++;
      else if (word.text === '}') depth--;
      else if (word.text === 'elements' && this.#words.has('=') && this.#words.has('{'))
        this.#elements(name);
    }
  }

  /** `add element inet fw4 NAME { … }` */
  #element(): void {
    const name = this.#named();
    if (name !== undefined) this.#elements(name);
  }

  /** The last word before an opening brace. */
  #named(): Word | undefined {
    let name: Word | undefined;
    for (let word = this.#words.take(); word !== undefined; word = this.#words.take()) {
      if (word.text === '{') return name;
      if (/^[},;=\n]$/.test(word.text)) return undefined;
      name = word;
    }
    return undefined;
  }

  #isMeant(name: string): boolean {
    return this.wanted === undefined || name === this.wanted;
  }

  /** Up to the closing brace. */
  #elements({ text: name }: Word, end = '}'): void {
    // The first three say all but one thing.
    let words: Word[] = [];
    let isMore = false;
    const finish = () => {
      const [first] = words;
      if (first !== undefined && this.#isMeant(name)) {
        if (!this.#sets.has(name) && this.#sets.size < MOST_SETS)
          this.#sets.set(name, first.offset);
        this.#one(first, words, isMore);
      }
      [words, isMore] = [[], false];
    };
    for (let word = this.#words.take(); word !== undefined; word = this.#words.take()) {
      if (word.text === end || word.text === ';') break;
      if (word.text === ',') finish();
      else if (word.text !== '\n') {
        isMore ||= word.text === '.' || word.text === ':';
        if (words.length < 3) words.push(word);
      }
    }
    finish();
  }

  /** `192.0.2.0/24`, `192.0.2.0 - 192.0.2.9`, with `timeout 1h`, `counter …` or a comment behind it. */
  #one({ text, offset }: Word, [, second, third]: readonly Word[], isMore: boolean): void {
    const at = this.#at(offset);
    if (isMore)
      this.found.refuse(
        text,
        {
          message: 'the set has more than addresses in it (concatenations, or a map)',
          hint: 'take a set of type ipv4_addr or ipv6_addr',
        },
        at,
      );
    else if (text.startsWith('$') || text.startsWith('@'))
      this.found.refuse(
        text,
        {
          message: `"${text.slice(0, 40)}" stands for another list`,
          hint: 'name that one: source_set',
        },
        at,
      );
    else if (second?.text === '-' && third) this.found.take(`${text}-${third.text}`, at);
    else this.found.take(text, at);
  }
}
