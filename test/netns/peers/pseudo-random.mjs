// Bytes that look random, do not compress, and are the same on both sides.
import { createCipheriv, createHash } from 'node:crypto';
import { Readable } from 'node:stream';

const BLOCK = 64 * 1024;

function* blocks(count) {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16, count % 251), Buffer.alloc(16));
  for (let left = count; left > 0; left -= BLOCK)
    yield cipher.update(Buffer.alloc(Math.min(BLOCK, left)));
}

/** `count` bytes as a stream; the count is the seed. */
export const pseudoRandom = (count) => Readable.from(blocks(count), { objectMode: false });

/** SHA-256 of the same bytes. */
export function pseudoRandomDigest(count) {
  const hash = createHash('sha256');
  for (const block of blocks(count)) hash.update(block);
  return hash.digest('hex');
}
