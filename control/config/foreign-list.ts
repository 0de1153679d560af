/** Lines of lists that were made for other programs: what is wrong with them, and what to keep. */
import { formatAddress, parseAddress } from './address.js';
import type { Problem } from './diagnostic.js';
import { isProblem, networkOf, parseEntry } from './entry.js';

/** In a hosts file the address is where nothing is, and not what the list is about. */
const NAME = /[A-Za-z-]\.[A-Za-z]/;
const CANDIDATE = /[0-9A-Fa-f.:]*[.:][0-9A-Fa-f.:]*(?:\/\d{1,3})?/g;

/** The entry in `add cn 192.0.2.0/24`, `address=192.0.2.0/24 list=cn` or `192.0.2.0/24,`. */
function entryIn(text: string): string | undefined {
  const found = text.match(CANDIDATE)?.filter((word) => !isProblem(parseEntry(word)));
  return found?.length === 1 ? found[0] : undefined;
}

/** Length of a netmask such as 255.255.255.0; undefined for what is none. */
function maskLength(text: string): number | undefined {
  if (!/^\d{1,3}(\.\d{1,3}){3}$/.test(text)) return undefined;
  const bits = text
    .split('.')
    .map((octet) => Number(octet).toString(2).padStart(8, '0'))
    .join('');
  return /^1*0*$/.test(bits) && bits.length === 32 ? bits.lastIndexOf('1') + 1 : undefined;
}

/** @returns undefined where nothing better can be said than `parseEntry` does. */
export function foreignProblem(text: string): Problem | undefined {
  const [, written, mask] = /^([\d.]+)\/([\d.]+)$/.exec(text) ?? [];
  const [address, length] = [parseAddress(written ?? ''), maskLength(mask ?? '')];
  if (address !== undefined && length !== undefined)
    return {
      message: `"${text}" has a netmask`,
      hint: `write ${formatAddress(networkOf(address, length).first)}/${length}`,
    };
  if (!/[\s,;="'{}()]/.test(text)) return undefined;
  const entry = NAME.test(text) ? undefined : entryIn(text);
  return {
    message: `"${text}" is not one CIDR, address or range`,
    hint: entry === undefined ? 'write one entry a line and nothing else' : `write ${entry}`,
  };
}
