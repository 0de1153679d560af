/** The packets that our rules are for, on either machine. Pure. */
import type { Config, ServerConfig } from '../config/config.js';
import { hopsOf } from './hops.js';
import { addressNumber, everything, type Packets, type Span, spanOf, without } from './packets.js';
import { prefixOfRoute } from './route-lookup.js';
import { serverFamilies } from './server-families.js';
import { type Family, MAIN_TABLE, type ObservedHost } from './state.js';
import { routeProbe, type Target, targetsOf } from './targets.js';

/** What the router hands over, and the packets by which nft asks for the routes. */
export function routerPackets(config: Config, host: ObservedHost): Packets[] {
  return targetsOf(config, host).flatMap((target) =>
    target.hops.flatMap(({ family }) => packetsTo(target, family, config, host)),
  );
}

function packetsTo(target: Target, family: Family, { router }: Config, host: ObservedHost) {
  const probe = router.classifier === 'ebpf' ? undefined : routeProbe(target)?.mark;
  const known = family === 4 ? target.addresses.v4 : target.addresses.v6;
  const guarded = [...ownAddresses(host, family), ...known.map(addressNumber)];
  const packets = router.interfaces.map((iif) => ({
    family,
    iif,
    ...(isInVrf(host, iif) && { inVrf: true }),
    mark: target.mark.value,
    sources: without(clientsOf(host, iif, family), guarded),
  }));
  const sources = packets.flatMap((one) => one.sources);
  return [
    ...packets,
    ...(probe === undefined ? [] : [{ family, iif: 'lo', mark: probe, sources }]),
  ];
}

/** What `capture: tproxy` diverts; clients are everywhere. */
export function serverPackets(server: ServerConfig, host: ObservedHost): Packets[] {
  return serverFamilies(server).map((family) => ({
    family,
    iif: server.interface,
    ...(isInVrf(host, server.interface) && { inVrf: true }),
    mark: server.tproxy.mark.value,
    sources: without([everything(family)], ownAddresses(host, family)),
  }));
}

/** Rules from a machine's own addresses are for what it sends itself. */
function ownAddresses({ interfaces }: ObservedHost, family: Family): bigint[] {
  return interfaces
    .flatMap(({ addresses }) => addresses)
    .filter((one) => one.family === family)
    .map(({ address }) => addressNumber(address));
}

function isInVrf({ interfaces }: ObservedHost, name: string): boolean {
  const master = interfaces.find((one) => one.name === name)?.master;
  return interfaces.some((one) => one.name === master && one.kind === 'vrf');
}

/** The subnets of an interface and those that routes have behind it; everywhere if there are none. */
function clientsOf({ interfaces, routes }: ObservedHost, name: string, family: Family): Span[] {
  const addresses = interfaces.find((one) => one.name === name)?.addresses ?? [];
  const subnets = addresses
    .filter((one) => one.family === family && !/^fe[89ab]/.test(one.address))
    .map(({ address, prefixLength }) => ({ address, length: prefixLength }));
  const behind = routes
    .filter((one) => one.family === family && one.table === MAIN_TABLE)
    .filter((one) => one.destination !== 'default')
    .filter((one) => hopsOf(one).some(({ via, dev }) => via !== undefined && dev === name))
    .map(({ destination }) => prefixOfRoute(family, destination));
  const spans = [...subnets, ...behind].map(spanOf);
  return spans.length > 0 ? spans : [everything(family)];
}
