/**
 * The lab's network as data: who has which interface on which link, and what each routes.
 * The addresses are the documentation ranges (RFC 5737, RFC 3849) where they play the Internet.
 *
 *   client 192.168.1.10 ─┐
 *                        br-lan ── router ── wan ── internet 198.51.100.7, .8, .9
 *   server1 192.168.1.2 ─┤           │
 *   client2 192.168.2.10 ┊───────── lan2
 *   server2 192.168.1.3 ─┘  and so on, as many as are wanted
 */
import { SidetrackError } from '../error.js';

export interface Interface {
  name: string;
  /** Addresses with prefix length, v4 and v6. */
  addresses: readonly string[];
  mac?: string;
}

export interface Node {
  name: string;
  interfaces: readonly Interface[];
  /** Bridges and the interfaces they join. */
  bridges?: readonly (Interface & { ports: readonly string[] })[];
  /** Extra addresses on the loopback interface. */
  loopback?: readonly string[];
  /** Arguments of `ip route add`. */
  routes: readonly string[];
  /** Keys below /proc/sys, with slashes; one that this kernel lacks is skipped. */
  sysctls?: Readonly<Record<string, string>>;
  /** Input of `nft -f -`. */
  ruleset?: string;
}

/** A veth pair between two interfaces, each `node:interface`. */
export type Link = readonly [string, string];

export interface Topology {
  nodes: readonly Node[];
  links: readonly Link[];
}

export const INTERNET_ADDRESSES_V4 = ['198.51.100.7', '198.51.100.8', '198.51.100.9'] as const;
export const INTERNET_ADDRESSES_V6 = ['2001:db8:1::7', '2001:db8:1::8', '2001:db8:1::9'] as const;

/** One address of each kind for every node: what tests, demo and pictures call them by. */
export const ADDRESS = {
  client: { v4: '192.168.1.10', v6: 'fd00:1::10' },
  client2: { v4: '192.168.2.10', v6: 'fd00:2::10' },
  router: { v4: '192.168.1.1', v6: 'fd00:1::1' },
  wan: { v4: '203.0.113.1', v6: '2001:db8:ffff::1' },
  server1: { v4: '192.168.1.2', v6: 'fd00:1::2' },
  internet: { v4: INTERNET_ADDRESSES_V4[0], v6: INTERNET_ADDRESSES_V6[0] },
} as const;

const FORWARDING = {
  'net/ipv4/ip_forward': '1',
  'net/ipv6/conf/all/forwarding': '1',
};

/** As on a router without Docker: bridged frames do not pass the IP hooks. */
const PLAIN_BRIDGE = {
  'net/bridge/bridge-nf-call-iptables': '0',
  'net/bridge/bridge-nf-call-ip6tables': '0',
};

const ROUTER: Node = {
  name: 'router',
  interfaces: [
    { name: 'lan0', addresses: [] },
    { name: 'lan1', addresses: [] },
    { name: 'lan2', addresses: ['192.168.2.1/24', 'fd00:2::1/64'] },
    { name: 'wan', addresses: ['203.0.113.1/24', '2001:db8:ffff::1/64'] },
  ],
  bridges: [
    { name: 'br-lan', ports: ['lan0', 'lan1'], addresses: ['192.168.1.1/24', 'fd00:1::1/64'] },
  ],
  routes: ['default via 203.0.113.10', 'default via 2001:db8:ffff::10'],
  sysctls: { ...FORWARDING, ...PLAIN_BRIDGE },
  ruleset: `table inet wan_nat {
    chain postrouting {
      type nat hook postrouting priority srcnat; policy accept;
      oifname "wan" masquerade
    }
  }`,
};

function lanHost(name: string, subnet: number, host: number, mac: string): Node {
  return {
    name,
    interfaces: [
      {
        name: 'eth0',
        mac,
        addresses: [`192.168.${subnet}.${host}/24`, `fd00:${subnet}::${host}/64`],
      },
    ],
    routes: [`default via 192.168.${subnet}.1`, `default via fd00:${subnet}::1`],
  };
}

const INTERNET: Node = {
  name: 'internet',
  interfaces: [{ name: 'eth0', addresses: ['203.0.113.10/24', '2001:db8:ffff::10/64'] }],
  loopback: [
    ...INTERNET_ADDRESSES_V4.map((address) => `${address}/32`),
    ...INTERNET_ADDRESSES_V6.map((address) => `${address}/128`),
  ],
  // Only what the router masquerades may come back: a leak of private addresses stays unanswered.
  routes: [],
};

/** As many as a configuration may have. */
export const MOST_SERVERS = 16;

export interface LabServer {
  name: string;
  v4: string;
  v6: string;
  mac: string;
  /** The router's bridge port on its way. */
  port: string;
}

/** Last numbers .2 to .9, and from .20 on: .10 is the client's, tests give .11 to .19 to machines of their own. */
function labServer(count: number): LabServer {
  const host = count <= 8 ? count + 1 : count + 11;
  return {
    name: `server${count}`,
    v4: `192.168.1.${host}`,
    v6: `fd00:1::${host}`,
    mac: `02:00:00:00:01:${`${host}`.padStart(2, '0')}`,
    // lan2 is the other subnet.
    port: count === 1 ? 'lan1' : `lan${count + 1}`,
  };
}

/** server1 to serverN. @throws SidetrackError `lab-servers` */
export function labServers(count: number): LabServer[] {
  if (Number.isInteger(count) && count >= 1 && count <= MOST_SERVERS)
    return Array.from({ length: count }, (_, i) => labServer(i + 1));
  throw new SidetrackError(`a lab has 1 to ${MOST_SERVERS} servers, not ${count}`, {
    code: 'lab-servers',
    source: 'user',
    hint: 'for example: sidetrack lab up --servers 2',
  });
}

function routerWith(servers: readonly LabServer[]): Node {
  const more = servers.map(({ port }) => port).filter((port) => port !== 'lan1');
  const interfaces = [...ROUTER.interfaces, ...more.map((name) => ({ name, addresses: [] }))];
  const bridges = ROUTER.bridges!.map((bridge) => ({
    ...bridge,
    ports: [...bridge.ports, ...more],
  }));
  return { ...ROUTER, interfaces, bridges };
}

/** The lab with that many servers, alike but for their addresses. @throws SidetrackError `lab-servers` */
export function labTopology(count: number): Topology {
  const servers = labServers(count);
  return {
    nodes: [
      lanHost('client', 1, 10, '02:00:00:00:01:10'),
      lanHost('client2', 2, 10, '02:00:00:00:02:10'),
      routerWith(servers),
      ...servers.map(({ name, v4, mac }) => lanHost(name, 1, Number(v4.split('.').at(-1)), mac)),
      INTERNET,
    ],
    links: [
      ['client:eth0', 'router:lan0'],
      ...servers.map(({ name, port }): Link => [`${name}:eth0`, `router:${port}`]),
      ['client2:eth0', 'router:lan2'],
      ['internet:eth0', 'router:wan'],
    ],
  };
}

/** How many servers there are in it. */
export const serversOf = ({ nodes }: Topology): number =>
  nodes.filter(({ name }) => /^server\d+$/.test(name)).length;

export const DEFAULT_TOPOLOGY: Topology = labTopology(1);
