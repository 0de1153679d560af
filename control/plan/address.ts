/** Addresses of a host: which of its interfaces reaches one directly, its MACs. */
import { familyOf, parseAddress } from '../config/address.js';
import { parseMac } from '../config/mac.js';
import type { InterfaceFacts, ObservedHost } from './state.js';

/** The first of `names` that has a subnet containing `address`. */
export function interfaceTowards(
  host: ObservedHost,
  names: readonly string[],
  address: string,
): InterfaceFacts | undefined {
  return host.interfaces.find(
    (candidate) =>
      names.includes(candidate.name) &&
      candidate.addresses.some((own) => sameSubnet(own.address, own.prefixLength, address)),
  );
}

/** Whether both addresses are of one family and share the first `prefixLength` bits. */
export function sameSubnet(own: string, prefixLength: number, other: string): boolean {
  const left = parseAddress(own);
  const right = parseAddress(other);
  if (left === undefined || right === undefined || familyOf(left) !== familyOf(right)) return false;
  // A prefix length beyond the address compares all of its bits.
  const shift = BigInt(Math.max((familyOf(left) === 4 ? 32 : 128) - prefixLength, 0));
  return BigInt(left) >> shift === BigInt(right) >> shift;
}

/** MACs of those interfaces that have one; VLANs of one device share theirs. */
export function routerMacs(host: ObservedHost, names: readonly string[]): string[] {
  const macs = host.interfaces.filter(({ name }) => names.includes(name)).map(({ mac }) => mac);
  return [...new Set(macs.flatMap((mac) => parseMac(mac) ?? []))];
}
