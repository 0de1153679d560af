/** Policies and packets as text for the message of a failure. */
import { formatAddress } from '../../../control/config/address.js';
import { formatNat64 } from '../../../control/config/nat64-prefix.js';
import type { Packet } from '../../../control/policy/evaluate.js';
import type { PrefixSet } from '../../../control/policy/prefix-set.js';
import type { Policy, Rule } from '../../../control/policy/rule.js';

export function describePacket(packet: Packet): string {
  const { sourceMac, source, sourcePort, destination, destinationPort, protocol } = packet;
  const end = (address: Packet['source'], port?: number) =>
    port === undefined ? formatAddress(address) : `[${formatAddress(address)}]:${port}`;
  return `${protocol} ${end(source, sourcePort)} (${sourceMac}) → ${end(destination, destinationPort)}`;
}

export function describePolicy({ rules, default: last, nat64 = [] }: Policy): string {
  const prefixes = `nat64: ${nat64.map(formatNat64).join(', ')}`;
  return [...rules.map(describeRule), `default: ${last}`, prefixes].join('\n');
}

const addresses = (set: PrefixSet) => `[${set.cidrs().join(', ')}]`;

function describeRule({ name, proto, from, macs, to, toName, ports, action }: Rule): string {
  const parts = [
    proto && `proto ${proto}`,
    from && `from ${addresses(from.addresses)} or MAC [${from.macs.join(', ')}]`,
    macs && `mac [${macs.join(', ')}]`,
    to && `to ${toName ?? ''}${addresses(to)}`,
    ports && `port [${ports.map(({ first, last }) => `${first}-${last}`).join(', ')}]`,
  ];
  return `${name}: ${parts.filter((part) => part !== undefined).join(', ') || 'everything'} → ${action}`;
}
