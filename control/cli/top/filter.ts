/** What is typed after `/`: the filter options of `sidetrack connections` as words, and plain text. Pure. */
import type { AddressEntry } from '../../config/entry.js';
import { isProblem, parseEntry } from '../../config/entry.js';
import { type Filter, type RatedConnection, select } from '../relay/connection-list.js';
import { harmless } from './text.js';

export interface Wanted extends Filter {
  /** Each of them is in one of the cells, in either case. */
  texts: readonly string[];
}

export const NOTHING_FILTERED: Wanted = { texts: [] };

const WORDS = ['to', 'client', 'upstream'] as const;
/** `client 192.0.2.1`, `client=192.0.2.1`, `--client=192.0.2.1`, `client:192.0.2.1` */
const WORD = new RegExp(`^(?:--)?(${WORDS.join('|')})(?:[=:](.*))?$`);

/** @returns what is wrong with it as a text. */
export function parseFilter(text: string): Wanted | string {
  const wanted: { -readonly [Key in keyof Wanted]: Wanted[Key] } = { texts: [] };
  const tokens = text.trim().split(/\s+/).filter(Boolean);
  while (tokens.length > 0) {
    const token = tokens.shift()!;
    const [, word, attached] = WORD.exec(token) ?? [];
    if (word === undefined) {
      wanted.texts = [...wanted.texts, token.toLowerCase()];
      continue;
    }
    const value = attached ?? tokens.shift();
    if (value === undefined || value === '') return `${word}: what? ${EXAMPLES[word]}`;
    if (word === 'upstream') {
      wanted.upstream = value;
      continue;
    }
    const entry = addressesOf(value);
    if (typeof entry === 'string') return `${word}: ${entry}`;
    if (word === 'to') wanted.to = entry;
    else wanted.client = entry;
  }
  return wanted;
}

const EXAMPLES: Readonly<Record<string, string>> = {
  to: 'for example: to 203.0.113.0/24',
  client: 'for example: client 192.168.1.40',
  upstream: 'for example: upstream vps',
};

function addressesOf(value: string): AddressEntry | string {
  const entry = parseEntry(value);
  return isProblem(entry) ? harmless(entry.message) : entry;
}

export function filterConnections(all: readonly RatedConnection[], wanted: Wanted) {
  return select(all, wanted);
}

export const isFiltering = ({ to, client, upstream, texts }: Wanted): boolean =>
  to !== undefined || client !== undefined || upstream !== undefined || texts.length > 0;
