/** The words of a rule's `from` and `to`: a MAC, the name of a set, or an address entry. */
import type { Problem } from './diagnostic.js';
import { type AddressEntry, isProblem, parseEntry } from './entry.js';
import { looksLikeMac, macProblem, parseMac } from './mac.js';
import { isSetName } from './scalar.js';

export type Token =
  | { kind: 'mac'; mac: string }
  | { kind: 'set'; name: string }
  | { kind: 'entry'; entry: AddressEntry }
  | { kind: 'wrong'; problem: Problem };

/** No two kinds share a text: a MAC has five separators, a set name no colon and no leading digit. */
export function readToken(text: string): Token {
  const mac = parseMac(text);
  if (mac !== undefined) {
    const problem = macProblem(text);
    return problem === undefined ? { kind: 'mac', mac } : { kind: 'wrong', problem };
  }
  if (isSetName(text)) return { kind: 'set', name: text };
  if (looksLikeMac(text)) return { kind: 'wrong', problem: macProblem(text)! };
  const entry = parseEntry(text);
  if (!isProblem(entry)) return { kind: 'entry', entry };
  if (entry.hint !== undefined || text.includes('/')) return { kind: 'wrong', problem: entry };
  const hint = 'write an address, a CIDR, a range or the name of a set';
  return { kind: 'wrong', problem: { ...entry, hint } };
}

export function fromProblem(text: string): Problem | undefined {
  const token = readToken(text);
  return token.kind === 'wrong' ? token.problem : undefined;
}

/** A destination MAC is the router's own on every packet that it routes. */
export function toProblem(text: string): Problem | undefined {
  const token = readToken(text);
  if (token.kind === 'mac') {
    return { message: `a MAC address cannot be a destination`, hint: 'move it to "from"' };
  }
  return token.kind === 'wrong' ? token.problem : undefined;
}
