/** SipHash-2-4 (Aumasson, Bernstein 2012). Two a second: BigInt is fast enough. */

const MASK = 0xffff_ffff_ffff_ffffn;

const add = (a: bigint, b: bigint): bigint => (a + b) & MASK;
const rotate = (value: bigint, bits: bigint): bigint =>
  ((value << bits) | (value >> (64n - bits))) & MASK;

type State = [bigint, bigint, bigint, bigint];

function round(v: State): void {
  v[0] = add(v[0], v[1]);
  v[2] = add(v[2], v[3]);
  v[1] = rotate(v[1], 13n) ^ v[0];
  v[3] = rotate(v[3], 16n) ^ v[2];
  v[0] = rotate(v[0], 32n);
  v[2] = add(v[2], v[1]);
  v[0] = add(v[0], v[3]);
  v[1] = rotate(v[1], 17n) ^ v[2];
  v[3] = rotate(v[3], 21n) ^ v[0];
  v[2] = rotate(v[2], 32n);
}

function compress(v: State, word: bigint): void {
  v[3] ^= word;
  round(v);
  round(v);
  v[0] ^= word;
}

/**
 * @param key 16 bytes, which are two little-endian words, as the words of the message are.
 * @returns the number; its bytes in the published vectors stand in little-endian order.
 */
export function siphash24(key: Uint8Array, message: Uint8Array): bigint {
  const keys = Buffer.from(key);
  const [k0, k1] = [keys.readBigUInt64LE(0), keys.readBigUInt64LE(8)];
  const v: State = [
    k0 ^ 0x736f_6d65_7073_6575n,
    k1 ^ 0x646f_7261_6e64_6f6dn,
    k0 ^ 0x6c79_6765_6e65_7261n,
    k1 ^ 0x7465_6462_7974_6573n,
  ];
  // The last word: what is left, zeros, and the length in its highest byte.
  const padded = Buffer.alloc((Math.floor(message.length / 8) + 1) * 8);
  padded.set(message);
  padded[padded.length - 1] = message.length & 0xff;
  for (let at = 0; at < padded.length; at += 8) compress(v, padded.readBigUInt64LE(at));
  v[2] ^= 0xffn;
  for (let i = 0; i < 4; i++) round(v);
  return v[0] ^ v[1] ^ v[2] ^ v[3];
}
