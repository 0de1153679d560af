/** A download of which each byte is looked at. */
import { expect } from 'vitest';
import { type Fixture, url } from './fixture.js';
import { pseudoRandomDigest } from './peers/pseudo-random.mjs';

const BYTES = 300_000;

export async function expectDownload(
  fixture: Fixture,
  node: string,
  address: string,
  port = 80,
): Promise<void> {
  const { status, digest } = await fixture.download(node, url(address, `/bytes/${BYTES}`, port));
  expect({ status, digest }).toEqual({ status: 0, digest: pseudoRandomDigest(BYTES) });
}
