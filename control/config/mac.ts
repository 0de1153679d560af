/** Ethernet addresses. */
import type { Problem } from './diagnostic.js';

const PAIRS = /^[0-9a-f]{2}([:-])[0-9a-f]{2}(?:\1[0-9a-f]{2}){4}$/i;
const NEARLY = /^[0-9a-z]{1,2}(?:[:-][0-9a-z]{1,2}){5}$/i;

/** Lower case with colons, or nothing when the text is not six pairs of digits. */
export function parseMac(text: string): string | undefined {
  return PAIRS.test(text) ? text.toLowerCase().replaceAll('-', ':') : undefined;
}

/** Whether this was meant as a MAC, right or wrong. */
export function looksLikeMac(text: string): boolean {
  return NEARLY.test(text);
}

/** A machine's own MAC; packets never come from a group address. */
export function macProblem(text: string): Problem | undefined {
  const mac = parseMac(text);
  if (mac === undefined) {
    return {
      message: `"${text}" is not a MAC address`,
      hint: 'write six pairs of hexadecimal digits, like 02:00:00:00:00:40',
    };
  }
  if (Number.parseInt(mac.slice(0, 2), 16) & 1) {
    return {
      message: `"${text}" is a group MAC address`,
      hint: 'write the address of one machine',
    };
  }
  if (mac === '00:00:00:00:00:00') return { message: `"${text}" is no machine's MAC address` };
  return undefined;
}
