/** Behind which interfaces of a router clients are, as far as it can be seen from its addresses and routes. Pure. */
import { parseAddress } from '../config/address.js';
import { sameSubnet } from './address.js';
import { plainUplinks, uplinkDevices } from './default-route.js';
import type { Family, InterfaceAddress, InterfaceFacts, ObservedHost } from './state.js';

/** A guessed value, or a placeholder that the user must check. */
export interface Guess<T> {
  value: T;
  /** Why it needs a look; absent when it was seen. */
  check?: string;
}

/** Interfaces of containers, virtual machines and tunnels, by the names that their programs give them. */
const VIRTUAL =
  /^(lo$|docker|veth|virbr|br-[0-9a-f]{12}$|cni|podman\d|lxcbr|lxdbr|incusbr|mpqemubr|nerdctl|kube|cilium|flannel|cali|weave|ovs-system|fwbr|tap|tun|wg|tailscale|zt[0-9a-z]{8}|dummy|ifb)/;

/** The same by their kind, whatever their name. */
const VIRTUAL_KINDS: ReadonlySet<string> = new Set(
  'wireguard tun ipip sit gre ip6tnl ip6gre vti vti6 xfrm ppp dummy ifb'.split(' '),
);

export const isReal = ({ name, kind = '' }: InterfaceFacts) =>
  !VIRTUAL.test(name) && !VIRTUAL_KINDS.has(kind);

/** The virtual routers of VRRP, IPv4 and IPv6 (RFC 9568): a macvlan that has the MAC which clients send to. */
const VRRP_MAC = /^00:00:5e:00:0[12]:/i;
export const isVrrp = ({ mac }: InterfaceFacts) => VRRP_MAC.test(mac);

const NO_LAN = 'the interface of the router on which clients are';

/** @param server the server's interface in that LAN, where it was seen */
export function clientInterfaces(
  router: ObservedHost | undefined,
  server: InterfaceFacts | undefined,
): Guess<string[]> {
  if (router === undefined) return { value: ['br-lan'], check: NO_LAN };
  const found = insideOf(router, server);
  if (found.value.length === 0) return { value: ['br-lan'], check: NO_LAN };
  const { faces, reasons } = withVirtualRouters(router, found.value);
  if (faces.some(({ name }) => GUESTS.test(name)))
    reasons.push('leave guests out if their traffic shall go directly');
  const check = [...(found.check ? [found.check] : []), ...reasons].join('; ');
  return {
    value: serverFirst(faces, server).map(({ name }) => name),
    ...(check !== '' && { check }),
  };
}

const GUESTS = /guest|iot|dmz|mgmt/i;

/** What is neither a way to the Internet nor a part of something larger, and has an address. */
function insideOf(
  router: ObservedHost,
  server: InterfaceFacts | undefined,
): Guess<InterfaceFacts[]> {
  const usable = router.interfaces.filter(
    (one) =>
      isReal(one) &&
      one.up &&
      one.mac !== '' &&
      !isPort(router, one) &&
      usableAddresses(one).length > 0,
  );
  const inner = usable.filter(hasPrivateAddress);
  const servers = new Set(server ? usableAddresses(server) : []);
  const uplinks = new Set(uplinkDevices(router, servers));
  const outside = outsideOf(router, uplinks);
  const lan = usable.filter(({ name }) => !outside.has(name));
  if (uplinks.size === 0 && inner.length > 0)
    return {
      value: inner,
      check: 'there is no default route here, so the way to the Internet may be among them',
    };
  if (lan.length > 0) return withoutSuspects(router, lan, outside, server);
  const plain = new Set(plainUplinks(router));
  const marked = inner.filter(({ name }) => !plain.has(name));
  if (plain.size > 0 && marked.length > 0)
    return {
      value: marked,
      check:
        'a routing table for some packets sends everything there: right where that is a proxy of the LAN, wrong where it is an uplink',
    };
  return {
    value: inner,
    check: 'it also carries the default route: right where clients and uplink share one network',
  };
}

/** Uplinks, what PPPoE runs over, which has an address for the modem alone, and virtual routers on uplinks. */
function outsideOf(router: ObservedHost, uplinks: ReadonlySet<string>): ReadonlySet<string> {
  const outside = new Set([...uplinks, ...(router.pppoeDevices ?? [])]);
  const above = router.interfaces.filter(
    ({ kind = '', link = '' }) => /^(mac|ip)vlan$/.test(kind) && outside.has(link),
  );
  return new Set([...outside, ...above.map(({ name }) => name)]);
}

/** Leaves out what looks like an uplink that has no route now, and says so; what shares a subnet with the server stays. */
function withoutSuspects(
  router: ObservedHost,
  lan: readonly InterfaceFacts[],
  outside: ReadonlySet<string>,
  server: InterfaceFacts | undefined,
): Guess<InterfaceFacts[]> {
  const suspects = lan.flatMap((one) => {
    const why = sharesSubnet(one, server) ? undefined : suspicion(router, one, outside);
    return why === undefined ? [] : [{ one, why }];
  });
  if (suspects.length === 0) return { value: [...lan] };
  const left = lan.filter((one) => suspects.every((suspect) => suspect.one !== one));
  const [verb, value] = left.length > 0 ? ['left out', left] : ['perhaps an uplink', [...lan]];
  return {
    value,
    check: suspects.map(({ one, why }) => `${one.name} is ${verb}: ${why}`).join('; '),
  };
}

function suspicion(
  { interfaces }: ObservedHost,
  one: InterfaceFacts,
  outside: ReadonlySet<string>,
): string | undefined {
  const above = interfaces.find(
    ({ name, kind, link }) => kind === 'vlan' && link === one.name && outside.has(name),
  );
  if (above && one.kind !== 'bridge') return `the uplink ${above.name} lies on it`;
  if (/^(wan|wwan|lte|usb|ppp)/i.test(one.name)) return 'its name is that of an uplink';
  if (one.addresses.some(({ family }) => family === 4) && !hasPrivateAddress(one))
    return 'its addresses are public';
  return undefined;
}

/** Frames to a virtual router's MAC come in on its own interface, and only while this router is the master. */
function withVirtualRouters(router: ObservedHost, lan: readonly InterfaceFacts[]) {
  const names = new Set(lan.map(({ name }) => name));
  const added = router.interfaces.filter(
    (one) => isVrrp(one) && !names.has(one.name) && names.has(one.link ?? ''),
  );
  const faces = [...lan, ...added];
  const reasons = faces
    .filter(isVrrp)
    .map(({ name }) => `${name} is a virtual router (VRRP): the others of its group want the same`);
  return { faces, reasons };
}

function isPort({ interfaces }: ObservedHost, { master }: InterfaceFacts): boolean {
  return interfaces.some(({ name, kind }) => name === master && kind !== 'vrf');
}

/** RFC 1918 and RFC 4193: what providers hardly ever give to one customer. */
const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'].map((text) => {
  const [network = '', length] = text.split('/');
  return { network, length: Number(length) };
});

const hasPrivateAddress = ({ addresses }: InterfaceFacts) =>
  addresses.some(({ address }) =>
    PRIVATE.some(({ network, length }) => sameSubnet(network, length, address)),
  );

export const sharesSubnet = (
  { addresses }: InterfaceFacts,
  other: InterfaceFacts | undefined,
): boolean =>
  other !== undefined &&
  addresses.some(
    ({ address, prefixLength }) =>
      isUsable(address) &&
      other.addresses.some(
        (one) => isUsable(one.address) && sameSubnet(address, prefixLength, one.address),
      ),
  );

/** The server's own network first: it is the one that must be there. */
function serverFirst(lan: readonly InterfaceFacts[], server: InterfaceFacts | undefined) {
  return lan.toSorted((a, b) => Number(sharesSubnet(b, server)) - Number(sharesSubnet(a, server)));
}

/** Link-local addresses would make the router send redirects. */
const isUsable = (address: string) =>
  parseAddress(address) !== undefined && !/^(fe[89ab]|169\.254\.)/i.test(address);

/**
 * One address of each family. One that stays comes before one that does not, and one in a network of `near`
 * before others: a provider's prefix may change.
 */
export function usableAddresses(
  { addresses }: InterfaceFacts,
  near?: InterfaceFacts | undefined,
): string[] {
  const cost = ({ family, address, temporary }: InterfaceAddress) =>
    (temporary ? 4 : 0) +
    (near?.addresses.some((one) => sameSubnet(one.address, one.prefixLength, address)) ? 0 : 2) +
    (family === 6 && !/^f[cd]/i.test(address) ? 1 : 0);
  const best = (family: Family) =>
    addresses
      .filter((one) => one.family === family && isUsable(one.address))
      .toSorted((a, b) => cost(a) - cost(b))[0]?.address;
  return [best(4), best(6)].filter((address) => address !== undefined);
}
