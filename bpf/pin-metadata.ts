/** What an attach leaves beside its pins: what the programs were made from, and where XDP sends to. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Heard } from './port.js';

export function fileDigest(path: string): string {
  return createHash('sha256').update(readFileSync(path)).digest('hex').slice(0, 12);
}

/** The digest of the options, and of the program that they were given to. */
export function policyMetadata(digest: string | undefined, object: string): string[] {
  return digest === undefined ? [] : [`${digest}-${fileDigest(object)}`];
}

export const wayMetadata = ({ bridge, mac, port }: Heard): string => [bridge, mac, port].join('=');
