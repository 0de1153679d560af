/** What of the server's interface, bridge and routes keeps it from capturing what it should, and that alone. */
import type { Config, ServerConfig } from '../config/config.js';
import { refuses } from '../config/on-failure.js';
import type { Finding } from './finding.js';
import { otherUplink } from './flush-guard.js';
import { carriesEthernet } from './router-mac.js';
import { serverFamilies } from './server-families.js';
import type { InterfaceFacts, ObservedHost } from './state.js';

/** Without the sender's MAC nothing tells the router's packets from others'. */
export function strangers(
  config: Config,
  server: ServerConfig,
  index: number,
  found: InterfaceFacts,
): Record<'errors' | 'warnings', Finding[]> {
  if (carriesEthernet(found)) return { errors: [], warnings: [] };
  const { name, linkType } = found;
  const path = ['servers', index, 'interface'];
  const message = `${server.name}'s ${name} carries no Ethernet (${linkType}), so the router's packets cannot be told from others'`;
  const written = config.router.macs.some((mac) => mac !== 'auto');
  const hint = written
    ? 'write router.mac: auto, or take an interface with MAC addresses'
    : `everything that comes in on ${name} is captured; make sure that only the router can reach it`;
  const finding = { path, message, hint };
  return { errors: written ? [finding] : [], warnings: written ? [] : [finding] };
}

/** The kernel forgets the socket that tproxy chose when a packet comes up from a bridge with IP hooks. */
export function divertedOnBridge(
  server: ServerConfig,
  index: number,
  found: InterfaceFacts,
  host: ObservedHost,
) {
  if (server.capture !== 'tproxy' || found.kind !== 'bridge') return [];
  const programs = serverFamilies(server).map((family) =>
    family === 4 ? 'iptables' : 'ip6tables',
  );
  return programs
    .map((program) => `net/bridge/bridge-nf-call-${program}`)
    .filter((key) => host.sysctls[key] === '1')
    .map((key) => ({
      path: ['servers', index, 'capture'],
      message: `${key.replaceAll('/', '.')} is 1 on ${server.name} and ${found.name} is a bridge: there capture: tproxy cannot work, and clients are refused`,
      hint: `write capture: redirect, or set it to 0 if nothing here (Docker does) needs it`,
    }));
}

/** Where policy rules cannot hold back what a flushed nft table lets through. */
export function secondUplink(
  config: Config,
  server: ServerConfig,
  index: number,
  host: ObservedHost,
) {
  if (!refuses(config.onFailure)) return [];
  return serverFamilies(server).flatMap((family) => {
    const key = family === 4 ? 'net/ipv4/ip_forward' : 'net/ipv6/conf/all/forwarding';
    const uplink = otherUplink(server, host, family);
    if (uplink === undefined || host.sysctls[key] !== '1') return [];
    return [
      {
        path: ['servers', index, 'interface'],
        message: `${server.name} forwards packets and has an IPv${family} default route by ${uplink}: if its nft rules are flushed, steered packets leave there although on_failure is ${config.onFailure}`,
        hint: `if it need not forward: sysctl -w ${key.replaceAll('/', '.')}=0`,
      },
    ];
  });
}

/** A MAC that is missing looks like a router that steers nothing; the counters know better. */
export function onlyStrangers(server: ServerConfig, host: ObservedHost): Finding[] {
  const counted = (wanted: string) => {
    const rules = host.listing?.chains.flatMap((chain) => chain.rules) ?? [];
    const found = rules.filter(({ comment }) => comment === wanted);
    return found.reduce((sum, { packets }) => sum + packets, 0);
  };
  const others = counted('not from the router');
  if (others === 0 || counted('redirected') + counted('diverted') > 0) return [];
  return [
    {
      path: ['router', 'mac'],
      message: `${server.name} has captured nothing yet, and left ${others} packets alone because they came from other MACs than the router's`,
      hint: 'if the router sent them (VRRP, or it is not the default gateway here), write its MACs: router: { mac: [auto, …] }',
    },
  ];
}
