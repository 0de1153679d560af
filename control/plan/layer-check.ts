/** Listed interfaces on which clients' packets do not come in, or others do. Pure. */
import type { Config } from '../config/config.js';
import { interfaceTowards, sameSubnet } from './address.js';
import { uplinkDevices } from './default-route.js';
import type { Finding } from './finding.js';
import type { InterfaceFacts, ObservedHost } from './state.js';
import type { Target } from './targets.js';

const isLinkLocal = (address: string) => /^(fe[89ab]|169\.254\.)/.test(address);

/** Of these a port's packets come in on the whole, not on the port. */
const WHOLES = ['bridge', 'bond', 'team'];
/** A veth pair's `link` is its other end, and a tunnel's what its outer packets leave by. */
const LAYERS = ['macvlan', 'macvtap', 'ipvlan', 'vlan', 'macsec'];

/**
 * An address above or below a listed interface in its own subnet, such as that of a VRRP macvlan:
 * packets of the clients that have it as their gateway come in there.
 */
export function layeredInterfaces(config: Config, router: ObservedHost): Finding[] {
  const { interfaces: listed } = config.router;
  return listed.flatMap((name, index) => {
    const own = router.interfaces.find((one) => one.name === name);
    if (own === undefined) return [];
    const problem = portProblem(own, listed, router);
    const problems = problem ? [problem] : layerProblems(own, listed, router);
    return problems.map((one) => ({ path: ['router', 'interfaces', index], ...one }));
  });
}

type Told = Omit<Finding, 'path'>;

function portProblem(
  { name, master }: InterfaceFacts,
  listed: readonly string[],
  { address, interfaces }: ObservedHost,
): Told | undefined {
  const whole = interfaces.find((one) => one.name === master && WHOLES.includes(one.kind ?? ''));
  if (whole === undefined) return undefined;
  return {
    message: `${name} is a port of the ${whole.kind} ${whole.name} on ${address}: packets come in on ${whole.name}, and none on ${name}`,
    hint: listed.includes(whole.name) ? `leave ${name} out` : `write ${whole.name} instead`,
  };
}

function layerProblems(
  own: InterfaceFacts,
  listed: readonly string[],
  { address, interfaces }: ObservedHost,
): Told[] {
  const others = interfaces.filter(({ name }) => !listed.includes(name));
  return others.flatMap((other) => {
    const above = isLayerOf(other, own);
    const shared = above || isLayerOf(own, other) ? sharedOf(own, other) : undefined;
    if (shared === undefined) return [];
    const where = `${other.kind ?? 'interface'} ${above ? 'over' : 'below'} ${own.name}`;
    return [
      {
        message: `${other.name} (${where}) on ${address} has ${shared} of the same subnet: packets of clients that use it as their gateway come in there, and are not steered`,
        hint: `add ${other.name} to router.interfaces`,
      },
    ];
  });
}

const isLayerOf = (upper: InterfaceFacts, lower: InterfaceFacts) =>
  upper.link === lower.name && LAYERS.includes(upper.kind ?? '');

/** An address of `other` in a subnet of `own`. */
function sharedOf(own: InterfaceFacts, other: InterfaceFacts): string | undefined {
  return other.addresses
    .filter(({ address }) => !isLinkLocal(address))
    .find((one) =>
      own.addresses.some(({ address, prefixLength }) =>
        sameSubnet(address, prefixLength, one.address),
      ),
    )?.address;
}

/** A router with one interface has clients and uplink on it; then its server is there, too. */
export function listedUplinks(
  config: Config,
  router: ObservedHost,
  targets: readonly Target[],
): Finding[] {
  const uplinks = uplinkDevices(router);
  const isServers = (name: string) =>
    targets.some(({ hops }) => hops.some(({ via }) => interfaceTowards(router, [name], via)));
  return config.router.interfaces.flatMap((name, index) =>
    !uplinks.includes(name) || isServers(name)
      ? []
      : [
          {
            path: ['router', 'interfaces', index],
            message: `${name} carries a default route of ${router.address}, so it looks like the way to the Internet: what comes in there is judged like packets of clients`,
            hint: 'leave it out, unless clients are on it',
          },
        ],
  );
}
