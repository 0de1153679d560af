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

/** The digest may hold anything, the program's has twelve digits. Of another shape: who wrote that is unknown. */
export function readPolicy(text = ''): { digest: string; program: string } | undefined {
  const [, digest, program] = /^(.*)-([0-9a-f]{12})$/s.exec(text) ?? [];
  return digest === undefined || program === undefined ? undefined : { digest, program };
}

export function readWay(text = ''): Heard | undefined {
  const [, bridge, mac, port] =
    /^([^=]+)=((?:[0-9a-f]{2}:){5}[0-9a-f]{2})=([^=]+)$/.exec(text) ?? [];
  return bridge === undefined || mac === undefined || port === undefined
    ? undefined
    : { bridge, mac, port };
}

export const wayMetadata = ({ bridge, mac, port }: Heard): string => [bridge, mac, port].join('=');
