/** Addresses that clients of a router may have. Pure. */

import { parseAddress } from '../config/address.js';
import { networkOf } from '../config/entry.js';
import { addressText } from './packets.js';
import type { Family, ObservedHost } from './state.js';

/** Of each subnet of the interface one that is not the router's own. */
export function clientsOn(host: ObservedHost, name: string, family: Family): string[] {
  const own = host.interfaces.find((one) => one.name === name)?.addresses ?? [];
  return own
    .filter((one) => one.family === family && !/^(fe[89ab]|169\.254\.)/.test(one.address))
    .flatMap(({ address, prefixLength }) => {
      const { first, last } = networkOf(parseAddress(address)!, prefixLength);
      const taken = BigInt(parseAddress(address)!);
      // Neither the network's own address nor the broadcast address.
      const client = [BigInt(first) + 1n, BigInt(first) + 2n].find((one) => one !== taken);
      return client !== undefined && client < BigInt(last) ? [addressText(family, client)] : [];
    });
}
