/**
 * The kernel's `jhash` (linux/jhash.h), which nftables' `jhash` expression is: both classifiers
 * choose a server by it, so the reference does, too. Words are read as a little-endian machine does.
 */

const INITIAL = 0xdeadbeef;
/** What one round takes. */
const BLOCK = 12;

const rotated = (word: number, by: number): number => (word << by) | (word >>> (32 - by));

interface Words {
  a: number;
  b: number;
  c: number;
}

function mix({ a, b, c }: Words): Words {
  a = ((a - c) ^ rotated(c, 4)) | 0;
  c = (c + b) | 0;
  b = ((b - a) ^ rotated(a, 6)) | 0;
  a = (a + c) | 0;
  c = ((c - b) ^ rotated(b, 8)) | 0;
  b = (b + a) | 0;
  a = ((a - c) ^ rotated(c, 16)) | 0;
  c = (c + b) | 0;
  b = ((b - a) ^ rotated(a, 19)) | 0;
  a = (a + c) | 0;
  c = ((c - b) ^ rotated(b, 4)) | 0;
  b = (b + a) | 0;
  return { a, b, c };
}

function final({ a, b, c }: Words): number {
  c = ((c ^ b) - rotated(b, 14)) | 0;
  a = ((a ^ c) - rotated(c, 11)) | 0;
  b = ((b ^ a) - rotated(a, 25)) | 0;
  c = ((c ^ b) - rotated(b, 16)) | 0;
  a = ((a ^ c) - rotated(c, 4)) | 0;
  b = ((b ^ a) - rotated(a, 14)) | 0;
  c = ((c ^ b) - rotated(b, 24)) | 0;
  return c >>> 0;
}

/** @returns 32 bits, unsigned. */
export function jhash(key: Uint8Array, seed: number): number {
  const word = (at: number): number =>
    (key[at] ?? 0) |
    ((key[at + 1] ?? 0) << 8) |
    ((key[at + 2] ?? 0) << 16) |
    ((key[at + 3] ?? 0) << 24);
  const begin = (INITIAL + key.length + seed) | 0;
  const added = ({ a, b, c }: Words, at: number): Words => ({
    a: (a + word(at)) | 0,
    b: (b + word(at + 4)) | 0,
    c: (c + word(at + 8)) | 0,
  });
  let words: Words = { a: begin, b: begin, c: begin };
  let at = 0;
  // The last block, of 1 to 12 bytes, is not mixed.
  for (; key.length - at > BLOCK; at += BLOCK) words = mix(added(words, at));
  return key.length === 0 ? words.c >>> 0 : final(added(words, at));
}
