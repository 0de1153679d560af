/** The router's table: guards, first-packet classification, flow table, mark. */
import type { Policy } from '../policy/rule.js';
import { macSet } from './elements.js';
import {
  flowChains,
  flowSets,
  forgetFlow,
  matchAnswer,
  matchFlow,
  overShareChain,
} from './flow-table.js';
import type { FlowTarget } from './flow-target.js';
import { embeddedV4Guards, fragmentGuards, guardRules, nat64Guards } from './guards.js';
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
  onFailure: 'direct' | 'block';
}

const accept: Statement = { accept: null };
const drop: Statement = { drop: null };
const leave: Statement = { return: null };

/** Pure: the same input always gives the same table, down to the order of its rules. */
export function routerTable(input: RouterTableInput): Table {
  const { targets, maxFlowsPerClient: share } = input;
  const { policy, tcp, other, unseen, sets } = compilePolicy(input.policy);
  return {
    family: 'inet',
    name: TABLE_NAME,
    sets: [...ownSets(input), ...sets],
    chains: [
      ...targets.map(steerChain),
      { name: 'direct', rules: [...forgetFlow(targets), { expr: [leave] }] },
      { name: 'block', rules: [...forgetFlow(targets), { expr: [drop] }] },
      refuseChain(targets, input.onFailure, FIRST_PACKET[input.onFailure]),
      ...(share > 0 ? [overShareChain(targets, REFUSE)] : []),
      admitChain(targets, share),
      ...flowChains(targets, share),
      { name: 'ipv6', rules: ipv6Rules(input.policy.nat64) },
      { name: 'from_server', rules: fromServerRules(targets) },
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
      preroutingChain(targets, policy),
      ...forwardChains(targets.map(({ mark }) => mark)),
      outputChain(),
    ],
  };
}

function ownSets(input: RouterTableInput): NftSet[] {
  return [
    { name: 'interfaces', type: 'ifname', elements: [...input.interfaces].sort() },
    macSet('router_macs', input.routerMacs),
    macSet('server_macs', input.serverMacs),
    ...serverSets(input.serverAddresses),
    ...flowSets(input.targets, input.flowTableSize, input.maxFlowsPerClient),
  ];
}

export function serverSets({ v4, v6 }: ServerAddresses): NftSet[] {
  return [
    { name: 'server4', type: 'ipv4_addr', elements: [...v4] },
    { name: 'server6', type: 'ipv6_addr', elements: [...v6] },
  ];
}

function preroutingChain(targets: readonly FlowTarget[], policy: Policy): Chain {
  const synWithoutAck = equal({ '&': [payload('tcp', 'flags'), ['syn', 'ack']] }, 'syn');
  return {
    name: 'prerouting',
    hook: { type: 'filter', hook: 'prerouting', prio: RAW_PRIORITY },
    rules: [
      { expr: [notEqual({ meta: { key: 'iifname' } }, '@interfaces'), leave] },
      { expr: [equal({ meta: { key: 'nfproto' } }, 'ipv6'), jump('ipv6')] },
      { expr: [equal(payload('ether', 'saddr'), '@server_macs'), goto('from_server')] },
      { expr: [equal(payload('ip', 'saddr'), '@server4'), leave] },
      { expr: [synWithoutAck, goto('classify')] },
      ...matchFlow(targets),
      ...alone(policy),
    ],
  };
}

/** What only IPv6 needs, in a chain of its own, so that it costs IPv4 packets one comparison. */
function ipv6Rules(nat64: Policy['nat64']): Rule[] {
  return [
    ...embeddedV4Guards(),
    ...nat64Guards(nat64),
    { expr: [equal(payload('ip6', 'saddr'), '@server6'), accept] },
  ];
}

/** Nothing from a server is steered. Answers to clients of another subnet pass here untracked. */
function fromServerRules(targets: readonly FlowTarget[]): Rule[] {
  return matchAnswer(targets, [{ notrack: null }, counter(), accept]).map((rule) => ({
    comment: 'answer of a steered flow',
    ...rule,
  }));
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
