/** What must be true of the hosts before anything is changed. Pure; every finding at once. */

import type { Config, ServerConfig } from '../config/config.js';
import type { Diagnostic } from '../config/diagnostic.js';
import { hex } from '../config/hex.js';
import { sameSubnet } from './address.js';
import { divertedOnBridge, onlyStrangers, secondUplink, strangers } from './capture-check.js';
import { drainedServers } from './drain-check.js';
import { missingExternalRoutes } from './external-route.js';
import { unservedClients } from './family-check.js';
import { type Finding, locate } from './finding.js';
import { missingInterface, missingInterfaces, unreachableServers } from './interface-check.js';
import { layeredInterfaces, listedUplinks } from './layer-check.js';
import { unguardedWays } from './loop-check.js';
import { otherNeighbours } from './neighbour-check.js';
import {
  missingRelay,
  otherVersion,
  type RelayOffer,
  type RelayServer,
  uninstallable,
} from './relay-check.js';
import { desiredRelay } from './relay-service.js';
import { foreignTable, routerRoute, serverRoute, sharedMark, takenPackets } from './rule-check.js';
import type { Family, ObservedHost } from './state.js';
import { hopOfFamily, routeProbe, type Target, targetsOf } from './targets.js';

export interface Findings {
  errors: Diagnostic[];
  /** What rules of others take from ours, so that the host is not as configured although apply can be. */
  bypasses: Diagnostic[];
  warnings: Diagnostic[];
}

/** @param hosts by name, as far as this run sees them. */
export function checkRouter(
  config: Config,
  router: ObservedHost,
  hosts: ReadonlyMap<string, ObservedHost> = new Map(),
): Findings {
  const targets = targetsOf(config, router);
  const missing = missingInterfaces(config, router);
  const route = routerRoute(config, router);
  const taken = takenPackets(route, router);
  return {
    errors: locate(config, [
      ...missing,
      // Without its interfaces, complaints about subnets would only confuse.
      ...(missing.length === 0 ? unreachableServers(config, router, targets) : []),
      ...foreignTable(route, router),
      ...sharedMark(route, router),
      ...taken.errors,
      ...dividedServers(config, targets),
    ]),
    bypasses: locate(config, taken.warnings),
    warnings: locate(config, [
      ...unservedClients(config, router),
      ...layeredInterfaces(config, router),
      ...listedUplinks(config, router, targets),
      ...otherNeighbours(config, router, hosts),
      ...notForwarding(targets, router),
      ...noProbeBit(config, targets),
      ...missingExternalRoutes(config, router, targets),
      ...drainedServers(config, targets),
      ...bridgeNetfilter(config, router),
    ]),
  };
}

/** @param offer what `apply` could install, and its own version. */
export function checkServer(
  config: Config,
  server: ServerConfig,
  host: ObservedHost,
  offer: RelayOffer = {},
): Findings {
  const index = config.servers.indexOf(server);
  const about = { config, server, index, host };
  const found = host.interfaces.find(({ name }) => name === server.interface);
  if (found === undefined)
    return {
      errors: locate(config, [
        missingInterface(['servers', index, 'interface'], server.interface, host),
      ]),
      bypasses: [],
      warnings: [],
    };
  const owned = found.addresses.map(({ address }) => address);
  const unknown = strangers(config, server, index, found);
  const addresses = [server.address.v4, server.address.v6].filter((one) => one !== undefined);
  const diverted = checkDiversion(server, index, host);
  return {
    errors: locate(config, [
      ...addresses
        .filter((address) => !found.addresses.some((own) => sameSubnet(own.address, FULL, address)))
        .map((address) => ({
          path: ['servers', index, 'address'],
          message: `${server.name} has no address ${address} on ${server.interface}`,
          hint: `it has ${owned.join(', ') || 'none'}; correct \`address\` or add it to the interface`,
        })),
      ...diverted.errors,
      ...unknown.errors,
      ...uninstallable(about, offer.package),
    ]),
    bypasses: locate(config, diverted.warnings),
    warnings: locate(config, [
      ...unguardedWays(server, index, host),
      ...(desiredRelay(config, server, host, offer.package) ? [] : silentPort(about)),
      ...otherVersion(about, offer),
      ...secondUplink(config, server, index, host),
      ...unknown.warnings,
      ...divertedOnBridge(server, index, found, host),
      ...onlyStrangers(server, host),
    ]),
  };
}

/** What the rules and the route of `capture: tproxy` meet. */
function checkDiversion(server: ServerConfig, index: number, host: ObservedHost) {
  if (server.capture !== 'tproxy') return { errors: [], warnings: [] };
  const route = serverRoute(server, index, host);
  const { errors, warnings } = takenPackets(route, host);
  return {
    errors: [...foreignTable(route, host), ...sharedMark(route, host), ...errors],
    warnings,
  };
}

/** Compares all bits; longer than any address, so that it suits both families. */
const FULL = 128;

function noProbeBit({ router: { classifier } }: Config, targets: readonly Target[]): Finding[] {
  if (classifier === 'ebpf') return [];
  return targets
    .filter((target) => target.health !== 'none' && routeProbe(target) === undefined)
    .map(({ mark }) => ({
      path: ['router', 'mark'],
      message: `mark ${hex(mark.value)}/${hex(mark.mask)} leaves no bit free to test the route with, so flows are handed over even when the route to the server is gone`,
      hint: 'widen the mask by an unused bit',
    }));
}

/** Redirected packets leave by one interface. */
function dividedServers({ router: own }: Config, targets: readonly Target[]): Finding[] {
  if (own.classifier !== 'ebpf' || own.forwarding === 'mark') return [];
  return targets.flatMap((target) => {
    const [device4, device6] = [hopOfFamily(target, 4)?.dev, hopOfFamily(target, 6)?.dev];
    if (!device4 || !device6 || device4 === device6) return [];
    return [
      {
        path: ['router', 'forwarding'],
        message: `the addresses of ${target.name} are behind two interfaces (${device4} and ${device6}), and redirected packets leave by one`,
        hint: 'write forwarding: mark',
      },
    ];
  });
}

/** The mark must be there before netfilter sees the packet; then it is too late. */
function bridgeNetfilter({ router: own }: Config, router: ObservedHost): Finding[] {
  if (own.classifier !== 'ebpf' || own.forwarding !== 'mark') return [];
  const on = ['iptables', 'ip6tables']
    .map((program) => `net/bridge/bridge-nf-call-${program}`)
    .filter((key) => router.sysctls[key] === '1');
  const index = own.interfaces.findIndex((name) =>
    router.interfaces.some((found) => found.name === name && found.kind === 'bridge'),
  );
  if (on.length === 0 || index < 0) return [];
  const keys = on.map((key) => key.replaceAll('/', '.')).join(' and ');
  return [
    {
      path: ['router', 'interfaces', index],
      message: `${keys} is 1, so conntrack sees packets from the bridge ${own.interfaces[index]} before the eBPF classifier does, and a firewall that drops invalid packets breaks steered connections`,
      hint: 'write forwarding: redirect or classifier: nftables, or set it to 0 if nothing here (Docker does) needs it',
    },
  ];
}

function notForwarding(targets: readonly Target[], router: ObservedHost): Finding[] {
  const isHandedOver = (family: Family) =>
    targets.some((target) => hopOfFamily(target, family) !== undefined);
  const needed = [
    ...(isHandedOver(4) ? ['net/ipv4/ip_forward'] : []),
    ...(isHandedOver(6) ? ['net/ipv6/conf/all/forwarding'] : []),
  ];
  return needed
    .filter((key) => router.sysctls[key] === '0')
    .map((key) => ({
      path: ['router', 'host'],
      message: `${router.address} does not forward packets (${key.replaceAll('/', '.')} is 0)`,
      hint: `if it is meant to be the router: sysctl -w ${key.replaceAll('/', '.')}=1`,
    }));
}

function silentPort(about: RelayServer): Finding[] {
  const { server, index, host } = about;
  if (host.listeningPorts.includes(server.port)) return [];
  const transparent = server.capture === 'tproxy' ? ' with IP_TRANSPARENT' : '';
  const start =
    server.program === 'relay'
      ? (missingRelay(about) ?? 'start it there: sidetrack relay')
      : `start your program on port ${server.port}, listening on ${server.name}'s \`address\` or on all addresses${transparent}`;
  return [
    {
      path: ['servers', index, 'port'],
      message: `nothing listens on ${server.name}'s port ${server.port} yet, so steered connections will be refused`,
      hint: start,
    },
  ];
}
