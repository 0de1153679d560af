/** Guesses a starter configuration from what the hosts look like. Pure. */
import { sameSubnet } from './address.js';
import { uplinkDevices } from './default-route.js';
import type { Family, InterfaceFacts, ObservedHost } from './state.js';

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
    interfaces: lanGuess(router, serverInterface),
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

function uplink(host: ObservedHost): InterfaceFacts | undefined {
  const devices = uplinkDevices(host);
  const real = host.interfaces.filter((one) => isReal(one) && usableAddresses(one).length > 0);
  return real.find(({ name }) => devices.includes(name)) ?? real[0];
}

const NO_LAN = 'the interface of the router on which clients are';

/** What is neither a way to the Internet nor a part of something larger, and has an address. */
function lanGuess(
  router: ObservedHost | undefined,
  server: InterfaceFacts | undefined,
): Guess<string[]> {
  if (router === undefined) return { value: ['br-lan'], check: NO_LAN };
  // What a PPPoE session runs over has an address for the modem alone.
  const uplinks = [...uplinkDevices(router), ...(router.pppoeDevices ?? [])];
  const usable = router.interfaces.filter(
    (one) =>
      isReal(one) && one.mac !== '' && !isPort(router, one) && usableAddresses(one).length > 0,
  );
  const inner = usable.filter(hasPrivateAddress);
  const lan = usable.filter(({ name }) => !uplinks.includes(name));
  if (uplinks.length === 0 && inner.length > 0)
    return {
      value: serverFirst(inner, server),
      check: 'there is no default route here, so the way to the Internet may be among them',
    };
  if (lan.length > 0) return { value: serverFirst(lan, server) };
  if (inner.length > 0)
    return {
      value: serverFirst(inner, server),
      check: 'it also carries the default route: right where clients and uplink share one network',
    };
  return { value: ['br-lan'], check: NO_LAN };
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

/** The server's own network first: it is the one that must be there. */
function serverFirst(lan: readonly InterfaceFacts[], server: InterfaceFacts | undefined): string[] {
  const servers = server ? usableAddresses(server) : [];
  const sharesSubnet = ({ addresses }: InterfaceFacts) =>
    addresses.some(({ address, prefixLength }) =>
      servers.some((own) => sameSubnet(address, prefixLength, own)),
    );
  const sorted = lan.toSorted((a, b) => Number(sharesSubnet(b)) - Number(sharesSubnet(a)));
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
  const checkComment = ({ check }: Guess<unknown>) => (check ? `   # CHECK: ${check}` : '');
  const list = (values: readonly string[]) => `[${values.map(quoted).join(', ')}]`;
  return `# yaml-language-server: $schema=${schema}
# What sidetrack does: the router hands chosen packets, unmodified, to the server; the server
# redirects them to a program that asks for SO_ORIGINAL_DST. Next: sidetrack check, sidetrack plan.

router:
  host: ${routerHost}   # local | netns://name
  interfaces: ${list(interfaces.value)}   # where client packets come in${checkComment(interfaces)}
  # classifier: ebpf   # nftables (default) | ebpf: cheaper with many rules, prefixes and packets
  # forwarding: redirect  # for ebpf: mark (default) | redirect | xdp: past routing and firewall

servers:
  - name: server1
    host: ${serverHost}   # local | netns://name
    interface: ${quoted(serverInterface.value)}${checkComment(serverInterface)}
    address: ${list(serverAddresses.value)}${checkComment(serverAddresses)}
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
