/** The packets that our rules are for, on either machine. Pure. */
import type { Config, ServerConfig } from '../config/config.js';
import { probeMark } from '../nft/steering.js';
import { hopsOf } from './hops.js';
import { addressNumber, everything, type Packets, type Span, spanOf, without } from './packets.js';
import { prefixOfRoute } from './route-lookup.js';
import { serverFamilies } from './server-families.js';
import { type Family, MAIN_TABLE, type ObservedHost } from './state.js';

/** What the router hands over, and the packets by which nft asks for the route. */
export function routerPackets({ router, servers }: Config, host: ObservedHost): Packets[] {
  const server = servers[0]!;
  const probe = router.classifier === 'ebpf' ? undefined : probeMark(router.mark);
  return serverFamilies(server).flatMap((family) => {
    const guarded = [...ownAddresses(host, family), ...serverAddresses(server, family)];
    const packets = router.interfaces.map((iif) => ({
      family,
      iif,
      ...(isInVrf(host, iif) && { inVrf: true }),
      mark: router.mark.value,
      sources: without(clientsOf(host, iif, family), guarded),
    }));
    const sources = packets.flatMap((one) => one.sources);
    return [
      ...packets,
      ...(probe === undefined ? [] : [{ family, iif: 'lo', mark: probe, sources }]),
    ];
  });
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

function serverAddresses({ address }: ServerConfig, family: Family): bigint[] {
  const own = family === 4 ? address.v4 : address.v6;
  return own === undefined ? [] : [addressNumber(own)];
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
