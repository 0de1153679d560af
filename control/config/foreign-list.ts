/** Single lines of lists that were made for other programs: what is wrong with them, and what to keep. */
import { type Address, formatAddress, parseAddress } from './address.js';
import { columnProblem } from './column-list.js';
import type { Problem } from './diagnostic.js';
import { isProblem, networkOf, parseEntry } from './entry.js';

const ENTRY = '[0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]*(?:/[0-9]{1,3})?';

/**
 * Lines that say nothing but that one entry is in the list. All else in a line may change its
 * meaning, a length in another column or an exception, so that no part of it may be offered.
 */
const ENTRY_ALONE = [
  `[\\s"'(){}[\\],]*(?:- +)?["']?(${ENTRY})["'(){}[\\],\\s]*`,
  `(?:ipset )?(?:add|-A) [\\w.-]+ (${ENTRY})`,
  `add (?:list=[\\w.-]+ )?address=(${ENTRY})(?: list=[\\w.-]+)?`,
].map((pattern) => new RegExp(`^${pattern}$`));

function entryAlone(text: string): string | undefined {
  const entry = ENTRY_ALONE.map((pattern) => pattern.exec(text)?.[1]).find(Boolean);
  return entry === undefined || isProblem(parseEntry(entry)) ? undefined : entry;
}

/** Length of a netmask such as 255.255.255.0; undefined for what is none. */
function maskLength(mask: number): number | undefined {
  const bits = mask.toString(2).padStart(32, '0');
  return /^1*0*$/.test(bits) ? bits.lastIndexOf('1') + 1 : undefined;
}

/** Both kinds of mask have 0.0.0.0 and 255.255.255.255, and mean the opposite by them. */
function maskProblem(text: string, address: number, mask: number): Problem | undefined {
  const netmask = maskLength(mask);
  const length = netmask ?? maskLength(~mask >>> 0);
  if (length === undefined) return undefined;
  const one = formatAddress(address);
  if (mask === 0 || mask === 0xffffffff)
    return {
      message: `"${text}" has a mask and no prefix length`,
      hint: `write the prefix length, ${one}/32 for the one address`,
    };
  const network = formatAddress(networkOf(address, length).first);
  return {
    message: `"${text}" has a ${netmask === undefined ? 'wildcard mask' : 'netmask'}`,
    hint:
      network === one
        ? `write ${network}/${length}`
        : `write ${network}/${length} for the network, or ${one} for the one address`,
  };
}

const isV4 = (address: Address | undefined) => typeof address === 'number';

function masked(text: string): Problem | undefined {
  const [, written = '', mask = ''] = /^([\d.]+)(?:\s*\/\s*|\s+)([\d.]+)$/.exec(text) ?? [];
  const [address, bits] = [parseAddress(written), parseAddress(mask)];
  return isV4(address) && isV4(bits)
    ? maskProblem(text, address as number, bits as number)
    : undefined;
}

/** `!10.0.0.0/8`, or ipset's `nomatch`. */
const EXCEPTION = /^[!^][0-9A-Fa-f.:]|\bnomatch\b/;

export interface ForeignProblem extends Problem {
  /** Every line will be like this one. */
  wholeFile?: true;
}

/** @returns undefined where nothing better can be said than `parseEntry` does. */
export function foreignProblem(text: string): ForeignProblem | undefined {
  const mask = masked(text);
  if (mask !== undefined) return mask;
  const message = `"${text}" is not one CIDR, address or range`;
  if (EXCEPTION.test(text))
    return {
      message,
      hint: 'a list has no exceptions: give them a set of their own, and a rule before',
    };
  if (!/[\s,;|="'{}()]/.test(text)) return undefined;
  const entry = entryAlone(text);
  if (entry !== undefined) return { message, hint: `write ${entry}` };
  const columns = columnProblem(text);
  if (columns !== undefined) return { message, hint: columns, wholeFile: true };
  return { message, hint: 'write one entry a line and nothing else' };
}
