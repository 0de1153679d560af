/** Which packets the selectors of an `ip rule` fit: fib_rule_match() of the kernel. Pure. */
import {
  both,
  everything,
  inverse,
  type Packets,
  type Share,
  shareOfRange,
  shareOfSpans,
  spanOf,
} from './packets.js';
import type { ObservedIpRule, Prefix } from './state.js';

const TCP = 6;
/** What the kernel takes for the user of a packet that it did not send for anybody. */
const NOBODYS_UID = 0;
/** The bits of the type of service that IPv4 routing compares (IPTOS_RT_MASK). */
const TOS_BITS = 0x1c;

export function shareOfRule(rule: ObservedIpRule, packets: Packets): Share {
  const fitting = both(
    interfaceShare(rule, packets),
    markShare(rule, packets),
    addressShare(rule, packets),
    headerShare(rule, packets),
    // What we do not know may fit.
    rule.unknown === undefined ? 'all' : 'some',
  );
  return rule.inverted ? inverse(fitting) : fitting;
}

const shareIf = (fits: boolean): Share => (fits ? 'all' : 'none');

/** Packets that come in have no outgoing interface yet, so `oif` fits none of them. */
function interfaceShare({ iif, oif, detached, l3mdev }: ObservedIpRule, packets: Packets): Share {
  if (detached || oif !== undefined) return 'none';
  if (l3mdev && !packets.inVrf) return 'none';
  return shareIf(iif === undefined || iif === packets.iif);
}

function markShare({ mark, mask, tunnelId }: ObservedIpRule, packets: Packets): Share {
  if (tunnelId) return 'none';
  return shareIf(mark === undefined || ((mark ^ packets.mark) & (mask ?? 0xffffffff)) === 0);
}

function addressShare({ from, to }: ObservedIpRule, packets: Packets): Share {
  const { family, sources, destination } = packets;
  const destinations =
    destination === undefined ? everything(family) : { first: destination, last: destination };
  const share = (spans: Packets['sources'], prefix: Prefix | undefined) =>
    prefix === undefined ? 'all' : shareOfSpans(spans, spanOf(prefix));
  return both(share(sources, from), share([destinations], to));
}

/** All of them are TCP. */
function headerShare(rule: ObservedIpRule, packets: Packets): Share {
  const { tos, uids, ipProtocol, sourcePorts, destinationPorts } = rule;
  return both(
    tos ? tosShare(tos, packets) : 'all',
    uids ? shareOfRange(uids, NOBODYS_UID) : 'all',
    shareIf(ipProtocol === undefined || ipProtocol === TCP),
    sourcePorts ? shareOfRange(sourcePorts, packets.sourcePort) : 'all',
    destinationPorts ? shareOfRange(destinationPorts, packets.destinationPort) : 'all',
  );
}

export function tosShare(wanted: number, { family, tos }: Packets): Share {
  if (tos === undefined) return 'some';
  return shareIf(wanted === (family === 4 ? tos & TOS_BITS : tos));
}
