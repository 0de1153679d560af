/** The entries of a list while they are read, and what is said of the lines that are none. */
import { type Diagnostic, diagnosticAt, type Position, type Problem } from './diagnostic.js';
import {
  type AddressEntry,
  type EntryProblem,
  isEverything,
  isProblem,
  parseEntry,
} from './entry.js';
import { type Entries, EntryList } from './entry-list.js';

/** A list in the wrong format is wrong in every line; these are enough. */
const MOST_BAD_LINES = 10;
/** Ten times the routes of the whole Internet; IPv4 is bounded by how long a list may be. */
const MOST_V6 = 2 ** 21;
const TOO_MANY = {
  message: `the list has more than ${MOST_V6} entries of IPv6`,
  hint: 'look at what it is; networks take less room than their addresses one by one',
};
/** Longer than any range of IPv6 addresses; what is longer is cut when it is quoted. */
const LONGEST_ENTRY = 90;

export interface SetEntries {
  entries: Entries;
  diagnostics: Diagnostic[];
  /** What was left out, and what is hardly meant. */
  warnings: Diagnostic[];
}

/** Where something stands; asked only when it is told of. */
export type At = () => Position;

/** Lines of which the first is told, and how many more there are. */
interface Told {
  at: Position;
  problem: Problem;
  more: number;
}

export interface GatheringOptions {
  /** An address with host bits stands for its network, as it does for ipset, nft and routers. */
  masks?: boolean;
}

export class Gathering implements SetEntries {
  readonly entries = new EntryList();
  readonly diagnostics: Diagnostic[] = [];
  readonly warnings: Diagnostic[] = [];
  readonly #told = new Map<string, Told>();
  readonly #masks: boolean;
  #bad = 0;
  #lastBad: At | undefined;
  #everything = false;

  constructor({ masks = false }: GatheringOptions = {}) {
    this.#masks = masks;
  }

  /** A line that should be one CIDR, address or range. */
  take(content: string, at: At): void {
    const entry = this.parse(content);
    if (!isProblem(entry)) this.add(entry, content, at);
    else if (entry.noPacket) this.leave('no packet', entry, at);
    else if (this.#masks && entry.network !== undefined) {
      this.add(entry.network, content, at);
      this.#tell('host bits', { message: `taken as a network: ${entry.message}` }, at);
    } else this.refuse(content, entry, at);
  }

  add(entry: AddressEntry, content: string, at: At): void {
    if (entry.family === 6 && this.entries.countOf(6) >= MOST_V6) {
      if (this.#bad === 0) this.refuse(content, TOO_MANY, at);
      return;
    }
    this.entries.push(entry);
    if (isEverything(entry)) this.#warnOfEverything(content, at());
  }

  /** @param kind those of one kind are told together */
  leave(kind: string, problem: Problem, at: At): void {
    this.#tell(kind, { ...problem, message: `left out: ${problem.message}` }, at);
  }

  /** Then the list as a whole is wrong. */
  refuse(_content: string, problem: Problem, at: At): void {
    this.#lastBad = at;
    if (++this.#bad <= MOST_BAD_LINES) this.diagnostics.push(diagnosticAt(at(), problem));
  }

  get bad(): number {
    return this.#bad;
  }

  end(): void {
    const untold = this.#bad - MOST_BAD_LINES;
    if (untold > 0 && this.#lastBad !== undefined) {
      const message = `and ${untold} more bad ${untold === 1 ? 'line' : 'lines'} up to here`;
      this.diagnostics.push(diagnosticAt({ ...this.#lastBad(), column: 1 }, { message }));
    }
    for (const { at, problem, more } of this.#told.values()) {
      const others =
        more === 0 ? '' : `, and ${more} more ${more === 1 ? 'line' : 'lines'} like it`;
      const message = `${problem.message}${others}`;
      this.warnings.push(diagnosticAt(at, { ...problem, message }));
    }
  }

  protected parse(text: string): AddressEntry | EntryProblem {
    return tooLong(text) ?? parseEntry(text);
  }

  #tell(kind: string, problem: Problem, at: At): void {
    const told = this.#told.get(kind);
    if (told) told.more++;
    else this.#told.set(kind, { at: at(), problem, more: 0 });
  }

  /** One warning: who writes it for one family mostly does for both. */
  #warnOfEverything(content: string, at: Position): void {
    if (this.#everything) return;
    this.#everything = true;
    const message = `"${content}" is every address: a rule with this set matches them all`;
    this.warnings.push(diagnosticAt(at, { message, hint: 'take it out unless you mean that' }));
  }
}

export function tooLong(text: string): EntryProblem | undefined {
  if (text.length <= LONGEST_ENTRY) return undefined;
  return { message: `"${text.slice(0, 40)}…" is not an IP address` };
}
