/** Config + what the server told us → its desired state. Pure. */
import type { Config, ServerConfig } from '../config/config.js';
import { refuses } from '../config/on-failure.js';
import { type ServerTableInput, serverTable } from '../nft/server-table.js';
import { flushGuard } from './flush-guard.js';
import { desiredHeartbeat } from './heartbeat.js';
import { desiredRelay } from './relay-service.js';
import { carriesEthernet } from './router-mac.js';
import { type RulePriority, serverRulePriority } from './rule-priority.js';
import { serverFamilies } from './server-families.js';
import type {
  Family,
  HostState,
  IpRule,
  ObservedHost,
  RelayPackage,
  Route,
  Sysctl,
} from './state.js';

export interface ServerPlanInput {
  config: Config;
  server: ServerConfig;
  host: ObservedHost;
  /** Source MACs of the router's frames, resolved. */
  routerMacs: readonly string[];
  /** What is to be installed there, if asked. */
  relayPackage?: RelayPackage | undefined;
  /** The router, where this run sees it. */
  router?: ObservedHost | undefined;
  /** For its heartbeats, where it has no key yet; a secret. */
  freshKey: string;
}

/** `ip_forward` stays as found: redirected packets become local, diverted ones are routed so. */
export function serverState(input: ServerPlanInput): HostState {
  const { config, server, host } = input;
  const diverted = server.capture === 'tproxy' ? serverFamilies(server) : [];
  const heartbeat = desiredHeartbeat(input);
  const relay = desiredRelay(config, server, host, input.relayPackage);
  return {
    name: server.name,
    table: serverTable(tableInput(input, diverted)),
    ipRules: [
      ...diverted.map((family) => deliverRule(server, serverRulePriority(server, host), family)),
      ...(refuses(config.onFailure) ? flushGuard(server, host) : []),
    ],
    routes: diverted.map((family) => deliverRoute(server, family)),
    sysctls: pathMtuSysctls(host),
    files: [],
    ...(relay && { relay }),
    ...(heartbeat && { heartbeat }),
  };
}

function tableInput(
  { server, host, routerMacs }: ServerPlanInput,
  families: readonly Family[],
): ServerTableInput {
  const { interface: name, address, port, capture, tproxy } = server;
  const found = host.interfaces.find((one) => one.name === name);
  const bridge = found?.kind === 'bridge' ? { mac: found.mac, ...zone(host) } : undefined;
  return {
    interface: name,
    address,
    port,
    ...(carriesEthernet(found) && { routerMacs }),
    ...(bridge && { bridge }),
    ...(capture === 'tproxy' && { tproxy: { mark: tproxy.mark, families } }),
  };
}

/** Any number that is free. */
const ZONE = 151;

function zone({ sysctls }: ObservedHost): { zone?: number } {
  const sees = ['iptables', 'ip6tables'].some(
    (program) => sysctls[`net/bridge/bridge-nf-call-${program}`] === '1',
  );
  return sees ? { zone: ZONE } : {};
}

/**
 * The interface must be named. Reverse-path filtering looks the client's address up as if it came
 * in on `lo`; with `src_valid_mark=1` it does so with the packet's mark, and a rule without `iif`
 * would tell it that the client is this machine: every packet would be dropped as a martian.
 */
function deliverRule(
  { interface: iif, tproxy: { mark, table } }: ServerConfig,
  chosen: RulePriority,
  family: Family,
): IpRule {
  return { family, ...chosen, iif, mark: mark.value, mask: mark.mask, table };
}

function deliverRoute({ tproxy: { table } }: ServerConfig, family: Family): Route {
  return { family, table, local: true };
}

const ALWAYS = '2';

/**
 * Answers carry the destination's address, so a narrower link behind the router sends its "packet too
 * big" to the Internet and not here. The kernel finds out by itself if it may, when segments get lost.
 */
function pathMtuSysctls({ sysctls }: ObservedHost): Sysctl[] {
  const key = 'net/ipv4/tcp_mtu_probing';
  return [{ key, value: sysctls[key] === ALWAYS ? ALWAYS : '1' }];
}
