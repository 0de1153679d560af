/** One entry of an address list: a CIDR, a bare address or a range, as an inclusive interval. */
import { type Address, familyOf, formatAddress, formatV4, parseAddress } from './address.js';
import type { Problem } from './diagnostic.js';

export type AddressEntry =
  | { family: 4; first: number; last: number }
  | { family: 6; first: bigint; last: bigint };

const SLASH = 47;

/** Prefix length as written, or NaN; `/08` and `/+8` are as wrong as `/x`. */
function parseLength(text: string): number {
  return /^(0|[1-9][0-9]{0,2})$/.test(text) ? Number(text) : Number.NaN;
}

/** First and last address of the network that `address` lies in. */
export function networkOf(address: Address, length: number): AddressEntry {
  if (typeof address === 'number') {
    const hostBits = length === 0 ? 0xffffffff : length === 32 ? 0 : 0xffffffff >>> length;
    return { family: 4, first: (address & ~hostBits) >>> 0, last: (address | hostBits) >>> 0 };
  }
  const hostBits = (1n << BigInt(128 - length)) - 1n;
  return { family: 6, first: address & ~hostBits, last: address | hostBits };
}

/** What is wrong with an entry. */
export interface EntryProblem extends Problem {
  /** It is well written, but stands for addresses of no packet that router and server let pass. */
  noPacket?: true;
  /** The network that an address with host bits lies in: what most programs take it for. */
  network?: AddressEntry;
}

const isMapped = (address: Address): boolean =>
  typeof address === 'bigint' && address >> 32n === 0xffffn;

/** Within ::ffff:0:0/96, so the entry would silently never match. Only one address has one meaning. */
function mappedProblem(text: string, { first, last }: AddressEntry): EntryProblem {
  const v4 = formatV4(Number(BigInt(first) & 0xffffffffn));
  return {
    message: `"${text}" is IPv4-mapped (::ffff:0:0/96), and such packets are always dropped`,
    hint:
      first === last
        ? `write ${v4} if you mean the IPv4 address`
        : 'leave it out; IPv4 addresses are written as such',
    noPacket: true,
  };
}

/** The entry, unless nothing but mapped addresses is in it. */
function unlessMapped(text: string, entry: AddressEntry): AddressEntry | EntryProblem {
  return isMapped(entry.first) && isMapped(entry.last) ? mappedProblem(text, entry) : entry;
}

/** Whether the entry is all of its family. */
export function isEverything({ family, first, last }: AddressEntry): boolean {
  if (family === 4) return first === 0 && last === 0xffffffff;
  return first === 0n && last === (1n << 128n) - 1n;
}

function notAnAddress(text: string, whole: string): Problem {
  if (text.includes('%')) {
    return { message: `"${whole}" has a zone`, hint: 'leave out the part from the % on' };
  }
  const where = text === whole ? '' : ` in "${whole}"`;
  if (/^\d{1,3}(\.\d{1,3}){3}$/.test(text) && /(^|\.)0\d/.test(text)) {
    return {
      message: `"${text}"${where} is not an IP address`,
      hint: 'write octets without leading zeros',
    };
  }
  return { message: `"${text}"${where} is not an IP address` };
}

function parseCidr(text: string, slash: number): AddressEntry | EntryProblem {
  const address = parseAddress(text.slice(0, slash));
  if (address === undefined) return notAnAddress(text.slice(0, slash), text);
  const written = text.slice(slash + 1);
  const length = parseLength(written);
  const family = familyOf(address);
  const most = family === 4 ? 32 : 128;
  if (Number.isNaN(length)) {
    return {
      message: `"${text}": "${written}" is not a prefix length`,
      hint: `write a number from 0 to ${most}`,
    };
  }
  if (length > most) {
    return { message: `"${text}": an IPv${family} prefix length is at most ${most}` };
  }
  const network = networkOf(address, length);
  if (network.first !== address) {
    return {
      message: `"${text}" has bits set beyond its prefix length`,
      hint: `write ${formatAddress(network.first)}/${length} for the network, or ${formatAddress(address)} for the one address`,
      network,
    };
  }
  return unlessMapped(text, network);
}

function parseRange(text: string, dash: number): AddressEntry | EntryProblem {
  const ends = [text.slice(0, dash).trim(), text.slice(dash + 1).trim()] as const;
  const first = parseAddress(ends[0]);
  if (first === undefined) return notAnAddress(ends[0], text);
  const last = parseAddress(ends[1]);
  if (last === undefined) return notAnAddress(ends[1], text);
  if (familyOf(first) !== familyOf(last)) {
    return {
      message: `range "${text}" mixes IPv4 and IPv6`,
      hint: 'both ends must be of one family',
    };
  }
  if (first > last) {
    return {
      message: `range "${text}" ends before it starts`,
      hint: `write ${formatAddress(last)}-${formatAddress(first)}`,
    };
  }
  return unlessMapped(
    text,
    typeof first === 'number'
      ? { family: 4, first, last: last as number }
      : { family: 6, first, last: last as bigint },
  );
}

/** Reads `10.0.0.0/8`, `10.0.0.1`, `10.0.0.1-10.0.0.9` and their IPv6 kin, or says what is wrong. */
export function parseEntry(text: string): AddressEntry | EntryProblem {
  for (let i = text.length - 1; i >= 0; i--) {
    const code = text.charCodeAt(i);
    if (code === SLASH) return parseCidr(text, i);
    if (code === 45) return parseRange(text, i);
  }
  const address = parseAddress(text);
  if (address === undefined) return notAnAddress(text, text);
  return typeof address === 'number'
    ? { family: 4, first: address, last: address }
    : unlessMapped(text, { family: 6, first: address, last: address });
}

/** Narrows what `parseEntry` gives back. */
export function isProblem(result: AddressEntry | EntryProblem): result is EntryProblem {
  return 'message' in result;
}
