/** Topology → the shell script that builds it. Pure; run inside the lab's own mount namespace. */
import type { Interface, Link, Node, Topology } from './topology.js';

/** One POSIX shell script that makes every namespace, link, address, route, sysctl and ruleset. */
export function buildScript(topology: Topology): string {
  return [
    'set -e',
    ...topology.nodes.map(({ name }) => `ip netns add ${name}`),
    ...topology.nodes.map(withoutDuplicateDetection),
    ...topology.links.map(linkLine),
    ...topology.nodes.map(nodeLines),
    ...topology.nodes.map(waitForLinks),
    '',
  ].join('\n');
}

const enter = ({ name }: Node) => `nsenter --net=/run/netns/${name} --`;

/** Addresses must be usable at once. Before the links exist, because they copy the default. */
function withoutDuplicateDetection(node: Node): string {
  return ['all', 'default']
    .map((which) => sysctlLine(enter(node), `net/ipv6/conf/${which}/accept_dad`, '0'))
    .join('\n');
}

/** The kernel brings a link's carrier up in the background, for up to a second. */
function waitForLinks({ name }: Node): string {
  const down = `ip -n ${name} -br link | grep -qE ' (DOWN|LOWERLAYERDOWN) '`;
  return `for i in $(seq 200); do ${down} || break; sleep 0.02; done`;
}

function linkLine([left, right]: Link): string {
  const [leftNode, leftName] = left.split(':');
  const [rightNode, rightName] = right.split(':');
  return `ip link add ${leftName} netns ${leftNode} type veth peer name ${rightName} netns ${rightNode}`;
}

function nodeLines(node: Node): string {
  const inside = enter(node);
  return [
    ...Object.entries(node.sysctls ?? {}).map(([key, value]) => sysctlLine(inside, key, value)),
    `${inside} ip -batch - <<'END'`,
    ...batchLines(node),
    'END',
    ...(node.ruleset ? [`${inside} nft -f - <<'END'`, node.ruleset, 'END'] : []),
  ].join('\n');
}

function sysctlLine(inside: string, key: string, value: string): string {
  const path = `/proc/sys/${key}`;
  return `${inside} sh -c '[ ! -e ${path} ] || echo ${value} > ${path}'`;
}

function batchLines(node: Node): string[] {
  const bridges = node.bridges ?? [];
  return [
    'link set lo up',
    ...(node.loopback ?? []).map((address) => `address add ${address} dev lo`),
    ...bridges.map(({ name }) => `link add ${name} type bridge`),
    ...bridges.flatMap(({ name, ports }) => ports.map((port) => `link set ${port} master ${name}`)),
    ...[...node.interfaces, ...bridges].flatMap(interfaceLines),
    ...node.routes.map((route) => `route add ${route}`),
  ];
}

function interfaceLines({ name, mac, addresses }: Interface): string[] {
  return [
    ...(mac ? [`link set ${name} address ${mac}`] : []),
    `link set ${name} up`,
    ...addresses.map((address) =>
      address.includes(':')
        ? `address add ${address} dev ${name} nodad`
        : `address add ${address} dev ${name}`,
    ),
  ];
}
