/** The router's table: guards, first-packet classification, flow table, mark, health of the servers. */
import type { Balance } from '../config/balance.js';
import { type OnFailure, refuses } from '../config/on-failure.js';
import type { Policy } from '../policy/rule.js';
import { choiceChains, chooses } from './choose.js';
import { macSet } from './elements.js';
import {
  flowChains,
  flowSets,
  forgetChains,
  forgetFlow,
  matchAnswer,
  matchFlow,
  overShareChain,
} from './flow-table.js';
import { beating, type FlowTarget } from './flow-target.js';
import { embeddedV4Guards, fragmentGuards, guardRules, nat64Guards } from './guards.js';
import { type HealthParameters, healthSets, macsOf, macsSet } from './health-sets.js';
import { heartbeatChains, inputChain, ownResetsChain, takeHeartbeat } from './heartbeats.js';
import {
  type Chain,
  counter,
  equal,
  goto,
  jump,
  type NftSet,
  notEqual,
  payload,
  type Rule,
  type Statement,
  type Table,
} from './json.js';
import { alone, defaultRule, fragmentVerdict } from './other-packets.js';
import { compilePolicy, FIRST_PACKET } from './policy-sets.js';
import { admitChain, forwardChains, REFUSE, refuseChain, steerChain } from './steering.js';

export const TABLE_NAME = 'sidetrack';
export const RAW_PRIORITY = -300;
const FILTER_PRIORITY = 0;

export interface ServerAddresses {
  v4: readonly string[];
  v6: readonly string[];
}

export interface RouterTableInput {
  policy: Policy;
  /** Interfaces on which client packets come in. */
  interfaces: readonly string[];
  /** Of those interfaces. */
  routerMacs: readonly string[];
  serverMacs: readonly string[];
  /** All that the servers have. */
  serverAddresses: ServerAddresses;
  /** Where flows are handed over: a family that none of them takes is not steered. */
  targets: readonly FlowTarget[];
  /** Flows that each family's table can hold. */
  flowTableSize: number;
  /** Flows that one client may enter in the time for which an opening one is remembered; 0: no limit. */
  maxFlowsPerClient: number;
  onFailure: OnFailure;
  /** What is hashed where there is a choice of servers; the client's address when absent. */
  balance?: Balance;
  /** Absent where no target has a heartbeat. */
  health?: HealthParameters;
  /** Interfaces that lead to servers, whether clients are there or not. */
  serverInterfaces?: readonly string[];
}

const accept: Statement = { accept: null };
const drop: Statement = { drop: null };
const leave: Statement = { return: null };

/** Pure: the same input always gives the same table, down to the order of its rules. */
export function routerTable(input: RouterTableInput): Table {
  const { targets, maxFlowsPerClient: share, balance = 'client', onFailure } = input;
  const groups = groupsOf(input);
  const takesHeld = refuses(onFailure);
  const { policy, tcp, other, unseen, sets } = compilePolicy(input.policy);
  return {
    family: 'inet',
    name: TABLE_NAME,
    sets: [...ownSets(input), ...sets],
    chains: [
      ...targets.map(steerChain),
      ...forgetChains(targets),
      { name: 'direct', rules: [...forgetFlow(targets), { expr: [leave] }] },
      { name: 'block', rules: [...forgetFlow(targets), { expr: [drop] }] },
      refuseChain(targets, onFailure),
      ...(share > 0 ? [overShareChain(targets, REFUSE)] : []),
      ...(chooses({ targets, groups })
        ? choiceChains({ targets, groups, balance, share, takesHeld })
        : [admitChain(targets, share)]),
      ...flowChains(targets, share),
      { name: 'ipv6', rules: ipv6Rules(input) },
      { name: 'from_server', rules: fromServerRules(input) },
      ...healthChains(input),
      ...(resets(input) ? [ownResetsChain(RAW_PRIORITY)] : []),
      {
        name: 'classify',
        rules: [
          ...guardRules(FIRST_PACKET.direct),
          ...fragmentGuards(fragmentVerdict(policy, FIRST_PACKET.direct)),
          ...tcp.rules,
          defaultRule(FIRST_PACKET[policy.default]),
        ],
      },
      ...other.chains,
      ...unseen.chains,
      preroutingChain(input, policy),
      ...forwardChains(targets.map(({ mark }) => mark)),
      outputChain(),
    ],
  };
}

function ownSets(input: RouterTableInput): NftSet[] {
  return [
    { name: 'interfaces', type: 'ifname', elements: [...input.interfaces].sort() },
    macSet('router_macs', input.routerMacs),
    macsSet(input.targets, input.serverMacs),
    ...serverSets(input.serverAddresses),
    ...flowSets(input.targets, input.flowTableSize, input.maxFlowsPerClient),
    ...(input.health === undefined ? [] : healthSets(input.targets, input.health)),
  ];
}

/** The first group is all of them. */
function groupsOf({ policy, targets }: RouterTableInput): (readonly number[])[] {
  const [, ...others] = policy.groups ?? [];
  return [targets.map(({ number }) => number), ...others.map((group) => group.targets)];
}

/** What takes heartbeats; `undefined` where none are expected. */
const listening = ({ targets, health }: RouterTableInput): HealthParameters | undefined =>
  beating(targets).length === 0 ? undefined : health;

/** Where servers are, and no clients. */
export function otherInterfaces({
  serverInterfaces = [],
  interfaces,
}: Pick<RouterTableInput, 'interfaces' | 'serverInterfaces'>): string[] {
  return [...new Set(serverInterfaces)].filter((name) => !interfaces.includes(name)).sort();
}

/** Of packets that come in where no clients are: nothing, but where servers are. */
export function elsewhereChain(others: readonly string[], ...takes: Rule[]): Chain[] {
  const isOther = equal({ meta: { key: 'iifname' } }, { set: [...others] });
  const rules = takes.map((take) => ({ ...take, expr: [isOther, ...take.expr] }));
  return others.length === 0 ? [] : [{ name: 'elsewhere', rules }];
}

export const leaveOrGo = (
  health: HealthParameters | undefined,
  others: readonly string[],
): Statement => (health === undefined || others.length === 0 ? leave : goto('elsewhere'));

/** Whether packets are answered here in the name of the far end. */
const resets = (input: RouterTableInput): boolean =>
  input.onFailure === 'reset' || listening(input) !== undefined;

function healthChains(input: RouterTableInput): Chain[] {
  const health = listening(input);
  if (health === undefined) return [];
  const others = otherInterfaces(input);
  return [
    ...heartbeatChains(input.targets, health, true),
    { name: 'server_packet', rules: [takeHeartbeat(health), { expr: [accept] }] },
    ...elsewhereChain(others, takeHeartbeat(health)),
    inputChain([...input.interfaces, ...others], health, RAW_PRIORITY),
  ];
}

export function serverSets({ v4, v6 }: ServerAddresses): NftSet[] {
  return [
    { name: 'server4', type: 'ipv4_addr', elements: [...v4] },
    { name: 'server6', type: 'ipv6_addr', elements: [...v6] },
  ];
}

function preroutingChain(input: RouterTableInput, policy: Policy): Chain {
  const { targets } = input;
  const listens = listening(input) !== undefined;
  const synWithoutAck = equal({ '&': [payload('tcp', 'flags'), ['syn', 'ack']] }, 'syn');
  return {
    name: 'prerouting',
    hook: { type: 'filter', hook: 'prerouting', prio: RAW_PRIORITY },
    rules: [
      {
        expr: [
          notEqual({ meta: { key: 'iifname' } }, '@interfaces'),
          leaveOrGo(listening(input), otherInterfaces(input)),
        ],
      },
      { expr: [equal({ meta: { key: 'nfproto' } }, 'ipv6'), jump('ipv6')] },
      { expr: [equal(payload('ether', 'saddr'), `@${macsOf(targets)}`), goto('from_server')] },
      {
        expr: [equal(payload('ip', 'saddr'), '@server4'), listens ? goto('server_packet') : leave],
      },
      { expr: [synWithoutAck, goto('classify')] },
      ...matchFlow(targets),
      ...alone(policy),
    ],
  };
}

/** What only IPv6 needs, in a chain of its own, so that it costs IPv4 packets one comparison. */
function ipv6Rules(input: RouterTableInput): Rule[] {
  const isServer = equal(payload('ip6', 'saddr'), '@server6');
  const listens = listening(input) !== undefined;
  return [
    ...embeddedV4Guards(),
    ...nat64Guards(input.policy.nat64),
    { expr: [isServer, listens ? goto('server_packet') : accept] },
  ];
}

/** Nothing from a server is steered. Answers to clients of another subnet pass here untracked. */
function fromServerRules(input: RouterTableInput): Rule[] {
  const health = listening(input);
  const answers = matchAnswer(input.targets, [{ notrack: null }, counter(), accept]);
  return [
    ...answers.map((rule) => ({ comment: 'answer of a steered flow', ...rule })),
    ...(health === undefined ? [] : [takeHeartbeat(health)]),
  ];
}

/** The router must not tell clients to send to the server directly. */
export function outputChain(): Chain {
  const toClients = equal({ meta: { key: 'oifname' } }, '@interfaces');
  const redirect = (protocol: string, type: string): Rule => ({
    comment: `${protocol} redirect`,
    expr: [toClients, equal(payload(protocol, 'type'), type), counter(), drop],
  });
  return {
    name: 'output',
    hook: { type: 'filter', hook: 'output', prio: FILTER_PRIORITY },
    rules: [redirect('icmp', 'redirect'), redirect('icmpv6', 'nd-redirect')],
  };
}
