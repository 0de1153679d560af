/** Addresses that clients of a router may have. Pure. */

import { parseAddress } from '../config/address.js';
import { networkOf } from '../config/entry.js';
import { addressText } from './packets.js';
import type { Family, ObservedHost } from './state.js';

/** Of each subnet of the interface one that is neither the router's own nor one of `others`. */
export function clientsOn(
  host: ObservedHost,
  name: string,
  family: Family,
  others: readonly string[] = [],
): string[] {
  const own = host.interfaces.find((one) => one.name === name)?.addresses ?? [];
  return own
    .filter((one) => one.family === family && !/^(fe[89ab]|169\.254\.)/.test(one.address))
    .flatMap(({ address, prefixLength }) => {
      const { first, last } = networkOf(parseAddress(address)!, prefixLength);
      const taken = [address, ...others];
      // Neither the network's own address nor the broadcast address; one more than there are taken ones.
      const clients = [...taken, ''].map((_, i) => BigInt(first) + BigInt(i) + 1n);
      const free = clients
        .filter((one) => one < BigInt(last))
        .map((one) => addressText(family, one))
        .find((one) => !taken.includes(one));
      return free === undefined ? [] : [free];
    });
}
