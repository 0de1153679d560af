/** Guesses a starter configuration from what the hosts look like. Pure. */
import { sameSubnet } from './address.js';
import { type Family, type InterfaceFacts, MAIN_TABLE, type ObservedHost } from './state.js';

/** A guessed value, or a placeholder that the user must check. */
export interface Guess<T> {
  value: T;
  /** Why it needs a look; absent when it was seen. */
  check?: string;
}

export interface Starter {
  routerHost: string;
  serverHost: string;
  interfaces: Guess<string[]>;
  serverInterface: Guess<string>;
  serverAddresses: Guess<string[]>;
  /** Absent when the server was not seen. */
  serverMac?: string;
}

/** Interfaces of containers and virtual machines: never where LAN clients are. */
const VIRTUAL = /^(lo$|docker|veth|virbr|br-[0-9a-f]{12}$|cni|flannel|cali|tun|wg|tailscale)/;

/** @param router, server what was seen there; undefined when that host could not be looked at. */
export function detectStarter(
  router: ObservedHost | undefined,
  server: ObservedHost | undefined,
): Starter {
  const serverInterface = server && uplink(server);
  return {
    routerHost: router?.address ?? 'local',
    serverHost: server?.address ?? 'local',
    interfaces: guess(
      router && lanInterfaces(router, serverInterface),
      ['br-lan'],
      'the interface of the router on which clients are',
    ),
    serverInterface: guess(serverInterface?.name, 'eth0', "the server's interface in that LAN"),
    serverAddresses: guess(
      serverInterface && usableAddresses(serverInterface),
      ['192.168.1.2'],
      "the server's addresses in that LAN",
    ),
    ...(serverInterface && { serverMac: serverInterface.mac }),
  };
}

function guess<T extends string | string[]>(
  seen: T | undefined,
  otherwise: T,
  check: string,
): Guess<T> {
  return seen === undefined || seen.length === 0 ? { value: otherwise, check } : { value: seen };
}

/** Whether the machine looks like a router: it forwards and has more than one network. */
export function looksLikeRouter(host: ObservedHost): boolean {
  const networks = host.interfaces.filter((one) => isReal(one) && one.addresses.length > 0);
  return host.sysctls['net/ipv4/ip_forward'] === '1' && networks.length > 1;
}

const isReal = ({ name }: InterfaceFacts) => !VIRTUAL.test(name);

function defaultDevices({ routes }: ObservedHost): (string | undefined)[] {
  const uplinks = routes.filter(
    ({ destination, table }) => destination === 'default' && table === MAIN_TABLE,
  );
  return uplinks.map(({ dev }) => dev);
}

function uplink(host: ObservedHost): InterfaceFacts | undefined {
  const devices = defaultDevices(host);
  const real = host.interfaces.filter((one) => isReal(one) && usableAddresses(one).length > 0);
  return real.find(({ name }) => devices.includes(name)) ?? real[0];
}

function lanInterfaces(router: ObservedHost, server: InterfaceFacts | undefined): string[] {
  const uplinks = defaultDevices(router);
  const lan = router.interfaces.filter(
    (one) => isReal(one) && !uplinks.includes(one.name) && usableAddresses(one).length > 0,
  );
  const servers = server ? usableAddresses(server) : [];
  const sharesSubnet = ({ addresses }: InterfaceFacts) =>
    addresses.some(({ address, prefixLength }) =>
      servers.some((own) => sameSubnet(address, prefixLength, own)),
    );
  // The server's own network first: it is the one that must be there.
  const sorted = [...lan].sort((a, b) => Number(sharesSubnet(b)) - Number(sharesSubnet(a)));
  return sorted.map(({ name }) => name);
}

/** One address of each family; link-local ones would make the router send redirects. */
function usableAddresses({ addresses }: InterfaceFacts): string[] {
  const first = (family: Family) =>
    addresses.find((one) => one.family === family && !/^(fe[89ab]|169\.254\.)/.test(one.address))
      ?.address;
  return [first(4), first(6)].filter((address) => address !== undefined);
}

/**
 * The commented file that `sidetrack init` writes.
 * @param schema path of sidetrack.schema.json, for editors that check while one types.
 */
export function starterYaml(starter: Starter, schema: string): string {
  const { routerHost, serverHost, interfaces, serverInterface, serverAddresses, serverMac } =
    starter;
  const note = ({ check }: Guess<unknown>) => (check ? `   # CHECK: ${check}` : '');
  const list = (values: readonly string[]) => `[${values.map(quoted).join(', ')}]`;
  return `# yaml-language-server: $schema=${schema}
# What sidetrack does: the router hands chosen packets, unmodified, to the server; the server
# redirects them to a program that asks for SO_ORIGINAL_DST. Next: sidetrack check, sidetrack plan.

router:
  host: ${routerHost}   # local | netns://name
  interfaces: ${list(interfaces.value)}   # where client packets come in${note(interfaces)}
  # classifier: ebpf   # nftables (default) | ebpf: cheaper with many rules, prefixes and packets
  # way_out: redirect  # for ebpf: mark (default) | redirect | xdp: past routing and firewall

servers:
  - name: server1
    host: ${serverHost}   # local | netns://name
    interface: ${quoted(serverInterface.value)}${note(serverInterface)}
    address: ${list(serverAddresses.value)}${note(serverAddresses)}
    mac: ${serverMac ?? 'auto'}   # auto: asked of the server, or of the router's neighbours
    program: relay           # relay (sidetrack's own) | external (redsocks, ss-redir, …)
    port: 12345              # where that program listens

# Ways out of the relay; without this section it connects directly.
# relay:
#   strategy: failover       # failover | weighted | least-connections
#   upstreams:
#     - { name: vps, url: "socks5://192.0.2.1:1080", username: me, password_file: /etc/sidetrack/vps.pass }
#     - { name: direct, url: "direct:" }

# First match wins. Conditions: from, mac, to, proto, port. Actions: proxy, direct, block.
# Sets come from files, one CIDR, address or range a line:  sets: { china: { file: china.txt } }
rules:
  - { name: lan,  to: [private], action: direct }
  - { name: mail, proto: tcp, port: [25, 465, 587], action: direct }
  # - { name: quic, proto: udp, port: 443, action: block }    # browsers fall back to TCP
  - { name: rest, proto: tcp, action: proxy }
default: direct
on_failure: direct           # direct | block: what happens to flows that cannot be handed over
`;
}

/** IPv6 addresses and odd names need quotes inside a YAML flow list. */
function quoted(text: string): string {
  return /^[A-Za-z][\w.-]*$|^[\d.]+$/.test(text) ? text : JSON.stringify(text);
}
