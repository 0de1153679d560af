/**
 * IP addresses as text and as numbers. An IPv4 address is a `number`, an IPv6 address a `bigint`,
 * so the type alone tells the family. The parsers are written by hand because set files hold a
 * million lines and are read before every plan.
 */
export type Address = number | bigint;
export type Family = 4 | 6;

const DOT = 46;
const COLON = 58;
const ZERO = 48;

/** Value of a hexadecimal digit's character code, or -1. */
function hexDigit(code: number): number {
  if (code >= ZERO && code <= 57) return code - ZERO;
  const lower = code | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

/** Strict dotted quad: four decimal octets, no leading zeros (which some programs read as octal). */
export function parseV4(text: string): number | undefined {
  let address = 0;
  let octet = 0;
  let digits = 0;
  let dots = 0;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return undefined;
      address = address * 256 + octet;
      octet = 0;
      digits = 0;
    } else {
      const digit = code - ZERO;
      if (digit < 0 || digit > 9 || (digits > 0 && octet === 0)) return undefined;
      octet = octet * 10 + digit;
      if (octet > 255) return undefined;
      digits++;
    }
  }
  return dots === 3 && digits > 0 ? address * 256 + octet : undefined;
}

interface Groups {
  /** The 16-bit groups as written, the missing ones not yet filled in. */
  values: number[];
  /** Where in `values` the `::` stands, or -1. */
  gap: number;
}

/** Reads the groups of an IPv6 text; an embedded dotted quad at the end becomes two groups. */
function readGroups(text: string): Groups | undefined {
  const values: number[] = [];
  let gap = -1;
  let i = 0;
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return undefined;
    gap = 0;
    i = 2;
  }
  while (i < text.length) {
    const start = i;
    let group = 0;
    for (let digit = hexDigit(text.charCodeAt(i)); digit >= 0; ) {
      group = group * 16 + digit;
      digit = hexDigit(text.charCodeAt(++i));
    }
    if (text.charCodeAt(i) === DOT) {
      const quad = parseV4(text.slice(start));
      if (quad === undefined) return undefined;
      values.push(quad >>> 16, quad & 0xffff);
      break;
    }
    if (i === start || i - start > 4 || values.length === 8) return undefined;
    values.push(group);
    if (i === text.length) break;
    if (text.charCodeAt(i++) !== COLON) return undefined;
    if (text.charCodeAt(i) === COLON) {
      if (gap >= 0) return undefined;
      gap = values.length;
      i++;
    } else if (i === text.length) {
      return undefined;
    }
  }
  return { values, gap };
}

/** Any text form of RFC 4291 without a zone. */
export function parseV6(text: string): bigint | undefined {
  const groups = readGroups(text);
  if (groups === undefined) return undefined;
  const { values, gap } = groups;
  if (gap < 0 ? values.length !== 8 : values.length > 7) return undefined;
  const head = gap < 0 ? 8 : gap;
  const shift = 8 - values.length;
  const group = (index: number): number => {
    if (index < head) return values[index]!;
    return index < head + shift ? 0 : values[index - shift]!;
  };
  const word = (index: number): bigint => BigInt(group(2 * index) * 0x10000 + group(2 * index + 1));
  return (word(0) << 96n) | (word(1) << 64n) | (word(2) << 32n) | word(3);
}

/** Either family; `undefined` when the text is no address. */
export function parseAddress(text: string): Address | undefined {
  return text.includes(':') ? parseV6(text) : parseV4(text);
}

export function formatV4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** First and end index of the longest run of two or more zero groups; the first one wins a tie. */
function longestZeroRun(groups: readonly number[]): { start: number; end: number } | undefined {
  let best: { start: number; end: number } | undefined;
  for (let start = 0; start < groups.length; start++) {
    let end = start;
    while (groups[end] === 0) end++;
    if (end - start > Math.max(1, best === undefined ? 0 : best.end - best.start)) {
      best = { start, end };
    }
    if (end > start) start = end;
  }
  return best;
}

/** The canonical text of RFC 5952, groups in hexadecimal throughout. */
export function formatV6(address: bigint): string {
  const groups: number[] = [];
  for (let shift = 112n; shift >= 0n; shift -= 16n) {
    groups.push(Number((address >> shift) & 0xffffn));
  }
  const text = (part: readonly number[]): string => part.map((g) => g.toString(16)).join(':');
  const run = longestZeroRun(groups);
  if (run === undefined) return text(groups);
  return `${text(groups.slice(0, run.start))}::${text(groups.slice(run.end))}`;
}

export function formatAddress(address: Address): string {
  return typeof address === 'number' ? formatV4(address) : formatV6(address);
}

export function familyOf(address: Address): Family {
  return typeof address === 'number' ? 4 : 6;
}
