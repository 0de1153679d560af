/** Which source MACs the router's frames have on the server's link. Pure. */
import type { Config, ServerConfig } from '../config/config.js';
import { interfaceTowards } from './address.js';
import type { InterfaceFacts, NextHop, ObservedHost } from './state.js';

export interface Gateway {
  address: string;
  dev: string;
}

/** Loopback, tunnels and PPP have no sender's address in their frames. */
export function carriesEthernet(found: InterfaceFacts | undefined): boolean {
  return found?.linkType === undefined || found.linkType === 'ether';
}

/** Of the interfaces by which the router reaches the server; it was looked at in the same run. */
export function macsOfRouter(config: Config, server: ServerConfig, router: ObservedHost): string[] {
  return [server.address.v4, server.address.v6]
    .filter((address) => address !== undefined)
    .map((address) => interfaceTowards(router, config.router.interfaces, address)?.mac)
    .filter((mac) => mac !== undefined);
}

/** The server's default gateways on the captured interface: the router, as it is seen from there. */
export function gatewaysOf(server: ServerConfig, { routes }: ObservedHost): Gateway[] {
  const gateways = routes
    .filter(({ destination }) => destination === 'default')
    .flatMap((route): NextHop[] => route.nextHops ?? [route])
    .flatMap(({ via, dev }) => (via && dev === server.interface ? [{ address: via, dev }] : []));
  return [...new Map(gateways.map((gateway) => [gateway.address, gateway])).values()];
}

export function neighbourMac({ neighbours }: ObservedHost, gateway: Gateway): string | undefined {
  return neighbours.find(({ address, dev }) => address === gateway.address && dev === gateway.dev)
    ?.mac;
}

/**
 * What the neighbour table says; while a gateway does not answer, what was applied stays: a router that
 * restarts must not lose its place.
 */
export function macsOfGateways(server: ServerConfig, host: ObservedHost): string[] {
  const found = gatewaysOf(server, host).map((gateway) => neighbourMac(host, gateway));
  const known = found.filter((mac) => mac !== undefined);
  return found.length > 0 && known.length === found.length ? known : [...known, ...applied(host)];
}

function applied({ listing }: ObservedHost): string[] {
  const elements = listing?.sets.find(({ name }) => name === 'routers')?.elements ?? [];
  return elements.filter((element) => typeof element === 'string');
}
