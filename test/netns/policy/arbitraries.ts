/** Random policies, and first packets to judge by them. */
import fc from 'fast-check';
import type { Address } from '../../../control/config/address.js';
import { mergePorts } from '../../../control/policy/compile.js';
import type { Packet } from '../../../control/policy/evaluate.js';
import type { PrefixSet } from '../../../control/policy/prefix-set.js';
import type { Policy, PortRange, Rule, Verdict } from '../../../control/policy/rule.js';
import { LISTS } from '../../unit/nat64.js';
import { addressV4, addressV6, MACS, mac, PORTS, prefixSet, SERVER_MAC } from './world.js';

const verdict = fc.constantFrom<Verdict>('proxy', 'direct', 'block');

const portRanges: fc.Arbitrary<PortRange[]> = fc
  .array(fc.tuple(fc.constantFrom(...PORTS.slice(1)), fc.constantFrom(...PORTS.slice(1))), {
    minLength: 1,
    maxLength: 4,
  })
  .map((pairs) =>
    mergePorts(pairs.map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }))),
  );

const macs = fc.uniqueArray(mac, { minLength: 1, maxLength: 2 });
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });

/** Named sets, which several rules may share; `to` otherwise has a set of its own. */
type NamedSets = Readonly<Record<'alpha' | 'beta', PrefixSet>>;

const draft = fc.record({
  action: verdict,
  proto: fc.constantFrom(undefined, 'tcp' as const, 'udp' as const),
  from: maybe(fc.record({ addresses: prefixSet, macs: fc.uniqueArray(mac, { maxLength: 2 }) })),
  macs: maybe(macs),
  to: maybe(fc.oneof(prefixSet, fc.constantFrom('alpha' as const, 'beta' as const))),
  ports: maybe(portRanges),
});

type Draft = typeof draft extends fc.Arbitrary<infer T> ? T : never;

function finish({ action, proto, from, macs, to, ports }: Draft, i: number, sets: NamedSets): Rule {
  // Only TCP can be handed over; the loader insists on it.
  const protocol = action === 'proxy' ? 'tcp' : proto;
  return {
    name: `r${i + 1}`,
    action,
    ...(protocol && { proto: protocol }),
    ...(from && { from }),
    ...(macs && { macs }),
    ...(typeof to === 'string' ? { to: sets[to], toName: to } : to && { to }),
    ...(ports && { ports }),
  };
}

export const policy: fc.Arbitrary<Policy> = fc
  .record({
    sets: fc.record({ alpha: prefixSet, beta: prefixSet }),
    drafts: fc.array(draft, { maxLength: 8 }),
    default: verdict,
    nat64: fc.constantFrom(...LISTS),
  })
  .map(({ sets, drafts, default: last, nat64 }) => ({
    rules: drafts.map((one, i) => finish(one, i, sets)),
    default: last,
    nat64,
  }));

/** ICMP, GRE and a protocol without a number of its own, besides TCP and UDP. */
const protocols = (icmp: number) =>
  fc.oneof(
    { weight: 6, arbitrary: fc.constant('tcp' as const) },
    { weight: 3, arbitrary: fc.constant('udp' as const) },
    { weight: 1, arbitrary: fc.constantFrom(icmp, 47, 253) },
  );

// Mostly clients; sometimes the server itself, whose packets must never come back to it.
const sourceMac = fc.oneof(
  { weight: 9, arbitrary: fc.constantFrom<string>(...MACS) },
  { weight: 1, arbitrary: fc.constant(SERVER_MAC) },
);

const MULTICAST_V6 = 0xffn << 120n;
const LOOPBACK_V6 = 1n;
const isMapped = (address: Address) => BigInt(address) >> 32n === 0xffffn;

/** IPv6 packets that the kernel drops before any hook (ip6_rcv_core). */
function reachesHooks({ source, destination, family }: Packet): boolean {
  if (family === 4) return true;
  const multicast = (address: Address) => BigInt(address) >= MULTICAST_V6;
  const scope = Number((BigInt(destination) >> 112n) & 0xfn);
  if (multicast(destination) && scope < 2) return false;
  return (
    !multicast(source) && !isMapped(source) && source !== LOOPBACK_V6 && destination !== LOOPBACK_V6
  );
}

function packets(family: 4 | 6, address: fc.Arbitrary<Address>, icmp: number) {
  return fc
    .record({
      sourceMac,
      family: fc.constant(family),
      source: address,
      destination: address,
      protocol: protocols(icmp),
      destinationPort: fc.constantFrom(...PORTS),
    })
    .map(({ destinationPort, ...rest }): Packet => {
      return typeof rest.protocol === 'number' ? rest : { ...rest, destinationPort };
    })
    .filter(reachesHooks);
}

/** Without source ports: the sender numbers the packets by them, and no rule looks at them. */
export const packet: fc.Arbitrary<Packet> = fc.oneof(
  packets(4, addressV4, 1),
  packets(6, addressV6, 58),
);
