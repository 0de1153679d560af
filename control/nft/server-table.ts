/** The server's table: what the router steered here is handed to the program's port. */
import { macSet } from './elements.js';
import type { Family } from './flow-time.js';
import {
  type Chain,
  counter,
  DADDR_TYPE,
  type Expression,
  equal,
  goto,
  NOT_UNICAST,
  notEqual,
  payload,
  type Rule,
  type Statement,
  type Table,
} from './json.js';
import { TABLE_NAME } from './router-table.js';
import { type TproxyInput, tproxyChains } from './tproxy.js';

const RAW_PRIORITY = -300;
const DSTNAT_PRIORITY = -100;

export interface ServerTableInput {
  /** Interface on which steered packets arrive. */
  interface: string;
  /** Source MACs of the router's frames; absent: the interface carries no Ethernet. */
  routerMacs?: readonly string[];
  /**
   * Where the interface is a bridge, which frames of others may only cross. `zone` tells their
   * conntrack entries from those of captured packets; absent: conntrack does not see them.
   */
  bridge?: { mac: string; zone?: number };
  /** The router's next hop. What is redirected is redirected to it. */
  address: { v4?: string; v6?: string };
  /** Port of the program. */
  port: number;
  /** Absent: `redirect`, and the program asks for SO_ORIGINAL_DST. */
  tproxy?: TproxyInput;
}

const TCP = equal({ meta: { key: 'l4proto' } }, 'tcp');
const LEAVE: Statement = { return: null };

export function serverTable(input: ServerTableInput): Table {
  const { routerMacs, port, tproxy } = input;
  const others = routerMacs ? [othersChain()] : [];
  const chains = tproxy
    ? tproxyChains({ first: firstRules(input), steered: steeredRules(input) }, port, tproxy)
    : redirectChains(input);
  return {
    family: 'inet',
    name: TABLE_NAME,
    sets: routerMacs ? [macSet('routers', routerMacs)] : [],
    chains: [...others, ...chains],
  };
}

/** For the chain that sees a packet first: as `steeredRules`, and what is not taken is counted. */
function firstRules(input: ServerTableInput): Rule[] {
  return [...interfaceRules(input), ...mappedRules(), ...routerRules(input, goto('others')), LOCAL];
}

function steeredRules(input: ServerTableInput): Rule[] {
  return [...interfaceRules(input), ...routerRules(input, LEAVE), LOCAL];
}

/** Local destinations are not ours to touch; everything else that the router sends was steered. */
const LOCAL: Rule = { expr: [equal(DADDR_TYPE, NOT_UNICAST), LEAVE] };

function interfaceRules({ interface: name }: ServerTableInput): Rule[] {
  return [{ expr: [notEqual({ meta: { key: 'iifname' } }, name), LEAVE] }];
}

/**
 * Anybody on the LAN can send here what the router's rules never saw. A bridge with br_netfilter shows
 * us frames that only cross it, too, as if they were for us (`pkttype` says host): their destination
 * is another MAC. Frames that the router sends to a machine behind the bridge are among them.
 */
function routerRules({ routerMacs, bridge }: ServerTableInput, others: Statement): Rule[] {
  const crossing: Rule[] = bridge
    ? [{ expr: [notEqual(payload('ether', 'daddr'), bridge.mac), LEAVE] }]
    : [];
  const strangers: Rule[] = routerMacs
    ? [{ expr: [notEqual(payload('ether', 'saddr'), '@routers'), others] }]
    : [];
  return [...crossing, ...strangers];
}

/** They stay what they were without us: dropped, or routed if this machine routes. */
function othersChain(): Chain {
  return {
    name: 'others',
    rules: [LOCAL, { comment: 'not from the router', expr: [TCP, counter()] }],
  };
}

/**
 * IPv4 addresses in IPv6 clothes, mapped (RFC 4291) or compatible, are on no wire; a program would
 * connect to the IPv4 address, past every IPv4 rule. Both kinds are in ::/80, and nothing else is.
 */
function mappedRules(): Rule[] {
  const mapped: Expression = { prefix: { addr: '::', len: 80 } };
  return ['daddr', 'saddr'].map((field) => ({
    comment: 'guard:embedded-v4',
    expr: [equal(payload('ip6', field), mapped), TCP, counter(), { drop: null }],
  }));
}

/**
 * The packet becomes local, so `ip_forward` may stay 0. `redirect` would take the newest address of
 * the interface, which for IPv6 is a temporary one: connections would end with it.
 */
function redirectChains(input: ServerTableInput): Chain[] {
  const { address, port, bridge } = input;
  const redirect = (family: Family, addr: string): Rule => ({
    comment: 'redirected',
    expr: [
      equal({ meta: { key: 'nfproto' } }, `ipv${family}`),
      TCP,
      counter(),
      { dnat: { family: family === 4 ? 'ip' : 'ip6', addr, port } },
    ],
  });
  const zone = bridge?.zone === undefined ? [] : [zoneChain(input, bridge.zone)];
  return [
    ...zone,
    {
      name: 'prerouting',
      hook: { type: 'nat', hook: 'prerouting', prio: DSTNAT_PRIORITY },
      rules: [
        ...firstRules(input),
        ...(address.v4 ? [redirect(4, address.v4)] : []),
        ...(address.v6 ? [redirect(6, address.v6)] : []),
      ],
    },
  ];
}

/**
 * A machine behind the bridge sends its packet across it to the router, which steers it back: the
 * same tuple twice, and conntrack would take the second for the first, which is not redirected.
 * Answers are found by the redirected tuple, in the usual zone, where SO_ORIGINAL_DST looks too.
 */
function zoneChain(input: ServerTableInput, zone: number): Chain {
  const key: Expression = { ct: { key: 'zone', dir: 'original' } };
  return {
    name: 'apart',
    hook: { type: 'filter', hook: 'prerouting', prio: RAW_PRIORITY },
    rules: [...steeredRules(input), { expr: [TCP, { mangle: { key, value: zone } }] }],
  };
}
