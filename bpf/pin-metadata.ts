/** What an attach leaves beside its pins: what the programs were made from, and where XDP sends to. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { KnownServer } from './health.js';
import type { Heard } from './port.js';
import { HEALTH_MODES } from './server-health.js';

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

/** The name comes last: it may hold anything. */
export function serverMetadata(server: KnownServer): string {
  const { number, health, drained, families, owner = 0n, name } = server;
  const state = drained ? 'drained' : '';
  return [number, health, state, families.join(''), owner.toString(16), name].join('=');
}

export function readServer(text: string): KnownServer | undefined {
  const [, number, mode, drained, families, owner, name] =
    /^(\d+)=(\w+)=(drained)?=(4?6?)=([0-9a-f]+)=(.*)$/s.exec(text) ?? [];
  const health = HEALTH_MODES.find((one) => one === mode);
  if (number === undefined || health === undefined || name === undefined) return undefined;
  return {
    number: Number(number),
    name,
    health,
    drained: drained !== undefined,
    families: ([4, 6] as const).filter((family) => families?.includes(String(family))),
    ...(owner !== undefined && owner !== '0' && { owner: BigInt(`0x${owner}`) }),
  };
}
