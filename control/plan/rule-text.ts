/** An `ip rule` in the words of `ip rule show`. Pure. */
import { hex } from '../config/hex.js';
import type { NumberRange, ObservedIpRule, Prefix } from './state.js';

/** `IPv4 rule 100 (from 192.168.1.0/24 lookup 100)`. */
export function describeRule(rule: ObservedIpRule): string {
  return `IPv${rule.family} rule ${rule.priority} (${[...selectors(rule), ...action(rule)].join(' ')})`;
}

const prefixText = ({ address, length }: Prefix) => `${address}/${length}`;
const rangeText = ({ first, last }: NumberRange) =>
  first === last ? `${first}` : `${first}-${last}`;
const markText = (mark: number, mask = 0xffffffff) =>
  mask === 0xffffffff ? hex(mark) : `${hex(mark)}/${hex(mask)}`;

function selectors(rule: ObservedIpRule): string[] {
  const { from, to, iif, oif, mark, mask, tos, uids, ipProtocol, sourcePorts, destinationPorts } =
    rule;
  return [
    ...(rule.inverted ? ['not'] : []),
    ...(from ? ['from', prefixText(from)] : []),
    ...(to ? ['to', prefixText(to)] : []),
    ...(iif !== undefined ? ['iif', iif] : []),
    ...(oif !== undefined ? ['oif', oif] : []),
    ...(mark !== undefined ? ['fwmark', markText(mark, mask)] : []),
    ...(tos !== undefined ? ['tos', hex(tos)] : []),
    ...(uids ? ['uidrange', `${uids.first}-${uids.last}`] : []),
    ...(ipProtocol !== undefined ? ['ipproto', `${ipProtocol}`] : []),
    ...(sourcePorts ? ['sport', rangeText(sourcePorts)] : []),
    ...(destinationPorts ? ['dport', rangeText(destinationPorts)] : []),
    ...(rule.l3mdev ? ['l3mdev'] : []),
    ...(rule.unknown ?? []),
  ];
}

const TABLE_NAMES: Readonly<Record<number, string>> = { 253: 'default', 254: 'main', 255: 'local' };

function action(rule: ObservedIpRule): string[] {
  const { table, suppressPrefixLength, suppressGroup, goto } = rule;
  if (rule.action === 'goto') return ['goto', `${goto}`];
  if (rule.action !== undefined && rule.action !== 'lookup') return [rule.action];
  return [
    ...(table !== undefined ? ['lookup', TABLE_NAMES[table] ?? `${table}`] : []),
    ...(suppressPrefixLength !== undefined
      ? ['suppress_prefixlength', `${suppressPrefixLength}`]
      : []),
    ...(suppressGroup !== undefined ? ['suppress_ifgroup', `${suppressGroup}`] : []),
  ];
}
