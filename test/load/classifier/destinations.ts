/** Where the flows of a flood lead: as many random addresses as there are flows, no two alike. */
import { PrefixSet } from '../../../control/policy/prefix-set.js';
import { random } from '../prefixes.js';

export const FLOWS = 1 << 16;

/** Where a packet must arrive, as flood.bpf.c counts it. */
export const SINK = { server: 0, internet: 1 } as const;

export interface Destination {
  address: number;
  sink: (typeof SINK)[keyof typeof SINK];
}

/** What is not the Internet's, or is an address of the lab. */
const ELSEWHERE = PrefixSet.parse(
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/16',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
);

/** Addresses of the whole Internet for which `sinkOf` knows a sink. */
export function destinations(
  sinkOf: (address: number) => Destination['sink'] | undefined,
): Destination[] {
  const next = random(5);
  const found = new Map<number, Destination>();
  while (found.size < FLOWS) {
    const address = next();
    const sink = ELSEWHERE.contains(address) ? undefined : sinkOf(address);
    if (sink !== undefined) found.set(address, { address, sink });
  }
  return [...found.values()];
}

/** All to the server. */
export const steeredDestinations = () => destinations(() => SINK.server);

/**
 * Half of them in both lists, half in neither, in no order: whichever list is in force, the right
 * answer is known.
 */
export function undisputedDestinations(first: PrefixSet, second: PrefixSet): Destination[] {
  const left = [FLOWS / 2, FLOWS / 2];
  return destinations((address) => {
    const isListed = first.contains(address);
    const sink = isListed ? SINK.server : SINK.internet;
    return isListed === second.contains(address) && left[sink]!-- > 0 ? sink : undefined;
  });
}
