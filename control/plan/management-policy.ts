/** What the policy says of the first packet of a management connection, as it comes in on the router. Pure. */
import { familyOf, formatAddress, parseAddress } from '../config/address.js';
import type { Config } from '../config/config.js';
import { refuses } from '../config/on-failure.js';
import type { Path } from '../config/raw.js';
import { type Classification, classifyFirstPacket, type Packet } from '../policy/evaluate.js';
import type { Guards } from '../policy/guard.js';
import { PrefixSet } from '../policy/prefix-set.js';
import type { Policy } from '../policy/rule.js';
import { type Endpoint, managementText, packetsOf } from './management.js';
import type { ManagementInput, Passage } from './management-passage.js';
import type { ManagementFinding } from './management-route.js';
import { nextHopOf } from './packet-way.js';
import { hopOfFamily, targetAddresses, targetsOf } from './targets.js';

export function judgedFindings(input: ManagementInput, passage: Passage): ManagementFinding[] {
  const { config } = input;
  const { at, iif } = passage;
  if (at.name !== 'router' || !config.router.interfaces.includes(iif)) return [];
  const guards = guardsOf(input, passage);
  const found = endsOf(config, passage).map((end) => judged(input, passage, guards, end));
  return found.filter((one) => one !== undefined).slice(0, 1);
}

/** Where another address is dialled than sshd is asked at, the packet still has it here: DNAT comes later. */
function endsOf({ router, servers }: Config, { managed, management }: Passage): Endpoint[] {
  const host = servers.find(({ name }) => name === managed)?.host ?? router.host;
  const dialled = host.kind === 'ssh' ? parseAddress(host.host) : undefined;
  if (host.kind !== 'ssh' || dialled === undefined || familyOf(dialled) !== management.family)
    return [management.server];
  const address = formatAddress(dialled);
  if (address === management.server.address) return [management.server];
  return [management.server, { address, port: host.port ?? management.server.port }];
}

/** nftables asks the kernel what is local, and an address that sshd answers on is. */
function guardsOf(
  { config, hosts }: ManagementInput,
  { managed, management, at }: Passage,
): Guards {
  const router = at.observed;
  const servers = targetAddresses(targetsOf(config, router));
  const own = router.interfaces.flatMap(({ addresses }) => addresses.map(({ address }) => address));
  const macs = config.servers.map(({ name, interface: device, mac }) => {
    const found = hosts.get(name)?.observed.interfaces.find((one) => one.name === device)?.mac;
    return mac === 'auto' ? found?.toLowerCase() : mac;
  });
  return {
    serverMacs: macs.filter((mac) => mac !== undefined),
    serverAddresses: PrefixSet.parse(...servers.v4, ...servers.v6),
    localAddresses: PrefixSet.parse(
      ...own,
      ...(managed === at.name ? [management.server.address] : []),
    ),
  };
}

function judged(
  { config, policy }: ManagementInput,
  passage: Passage,
  guards: Guards,
  end: Endpoint,
): ManagementFinding | undefined {
  const known = senderMac(passage);
  const tries = (known === undefined ? possibleMacs(policy) : [known]).map((mac) => ({
    mac,
    found: classifyFirstPacket(policy, guards, firstPacket(passage, end, mac)),
  }));
  const cutting = tries.filter(({ found }) => cuts(config, passage, found));
  const [first] = cutting;
  if (first === undefined) return undefined;
  const certain = cutting.length === tries.length;
  return describe(config, passage, end, first.found, certain ? undefined : first.mac);
}

const NO_MAC = '';

/** None of those that the rules name, and each of them. */
function possibleMacs({ rules }: Policy): string[] {
  const named = rules.flatMap(({ from, macs = [] }) => [...(from?.macs ?? []), ...macs]);
  return [NO_MAC, ...new Set(named)];
}

/** That of the client, or of the gateway that it is behind. */
function senderMac({ at, management, iif }: Passage): string | undefined {
  const { client, server } = management;
  const hop = nextHopOf(at.observed, packetsOf(management, server, client, 'lo'));
  const next = hop?.via ?? client.address;
  return at.observed.neighbours
    .find(({ address, dev }) => address === next && dev === iif)
    ?.mac.toLowerCase();
}

function firstPacket({ management }: Passage, end: Endpoint, sourceMac: string): Packet {
  const { family, client } = management;
  return {
    sourceMac,
    family,
    source: parseAddress(client.address)!,
    destination: parseAddress(end.address)!,
    protocol: 'tcp',
    sourcePort: client.port,
    destinationPort: end.port,
  };
}

/** What cannot be handed over goes where on_failure sends it. */
function cuts(config: Config, { at, management }: Passage, { verdict }: Classification): boolean {
  if (verdict !== 'proxy') return verdict === 'block';
  const targets = targetsOf(config, at.observed);
  const carried = targets.some((target) => hopOfFamily(target, management.family) !== undefined);
  return carried || refuses(config.onFailure);
}

function describe(
  config: Config,
  { managed, management, iif }: Passage,
  end: Endpoint,
  { rule, verdict }: Classification,
  mac: string | undefined,
): ManagementFinding {
  const index = config.rules.findIndex(({ name }) => name === rule);
  const path: Path = index < 0 ? ['default'] : ['rules', index];
  const what = index < 0 ? `default: ${verdict}` : `rule "${rule}"`;
  const does = verdict === 'block' ? 'drop' : 'hand over to the server';
  const where = end === management.server ? '' : ` (dialled as ${end.address}, port ${end.port})`;
  const sender =
    mac === undefined ? '' : ` if the sender's MAC is ${mac}, which is not known here:`;
  return {
    path,
    message:
      `${sender}${sender && ' '}${what} would ${does} the connection by which ${managed} is managed (${managementText(management)}${where}, in by ${iif})`.trimStart(),
    hint: hintFor(config, index, end),
    certain: mac === undefined,
  };
}

function hintFor(config: Config, index: number, { address, port }: Endpoint): string {
  const to = address.includes(':') ? `"${address}"` : address;
  const line = `- { name: management, to: [${to}], port: ${port}, action: direct }`;
  const [all, root] = [config.positionOf(['rules']), config.positionOf([])];
  // The rules of a file without any go when it gets one.
  if (all.line === root.line && all.column === root.column)
    return `write the rules of this file out, with this one first: rules: [${line.slice(2)}, { to: [private], action: direct }, { action: proxy }]`;
  if (index < 0) return `add this to rules: ${line}`;
  return `put this in front of it: ${line}`;
}
