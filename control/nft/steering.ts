/** What happens to a flow that a rule proxies: entered, marked, hidden from conntrack, never leaked. */
import { admitFlow, FAILURE_COMMENT, forgetFlow } from './flow-table.js';
import { FAMILIES, type Family, ipProtocol } from './flow-time.js';
import {
  type Chain,
  counter,
  type Expression,
  equal,
  goto,
  notEqual,
  payload,
  type Rule,
  type Statement,
} from './json.js';
import { type Mark, META_MARK, setMark } from './mark.js';

/**
 * How a flow's first packet asks the kernel whether the policy route is there. nft looks routes up
 * as if they came from `lo`, so a rule of their own (`iif lo fwmark probe lookup table`) shows it
 * the table, and a mark of their own keeps that rule away from real packets.
 */
export interface RouteProbe {
  mark: number;
  /** Interface that each family's policy route must use. */
  devices: Readonly<Partial<Record<Family, string>>>;
}

const FILTER_PRIORITY = 0;
const NFPROTO: Expression = { meta: { key: 'nfproto' } };
export const STEER = 'steer';
export const REFUSE = 'refuse';
/** What the forward chain does with steered packets. */
const ONWARD = 'onward';

/** A mark inside `mask` that differs from `value`; undefined when there is none. */
export function probeMark({ value, mask }: Mark): number | undefined {
  const other = (mask & ~value) >>> 0;
  return other === 0 ? undefined : other;
}

/**
 * Marks every packet (only the SYN would have a conntrack entry to keep a mark in) and hides the
 * flow from conntrack: the answers bypass this router, so it would call the rest INVALID.
 */
export function steerChain(mark: Mark): Chain {
  const expr: Statement[] = [setMark(mark), { notrack: null }, counter(), { accept: null }];
  return { name: STEER, rules: [{ comment: 'steered', expr }] };
}

/** Enters a new flow and steers it; `refuse` takes what cannot be handed over. */
export function admitChain(
  families: readonly Family[],
  share: number,
  mark: Mark,
  probe: RouteProbe | undefined,
): Chain {
  return {
    name: 'admit',
    rules: [
      ...(probe ? probeRules(mark, probe) : []),
      ...admitFlow(families, share, STEER),
      ...families.map((family) => ({
        comment: FAILURE_COMMENT.full,
        expr: [equal(NFPROTO, `ipv${family}`), counter(), goto(REFUSE)],
      })),
      { expr: [goto(REFUSE)] },
    ],
  };
}

function probeRules(mark: Mark, { mark: value, devices }: RouteProbe): Rule[] {
  const routeDevice: Expression = { fib: { result: 'oifname', flags: ['daddr', 'mark'] } };
  return [
    { expr: [setMark({ ...mark, value })] },
    ...FAMILIES.flatMap((family) => {
      const device = devices[family];
      if (device === undefined) return [];
      const match = [equal(NFPROTO, `ipv${family}`), notEqual(routeDevice, device)];
      return [{ comment: FAILURE_COMMENT.noRoute, expr: [...match, counter(), goto(REFUSE)] }];
    }),
  ];
}

/**
 * The way of `on_failure`, for flows that cannot be handed over: the route to the server is gone,
 * the flow table is full, its client is over its share, or the server has no address of this family.
 * What is known of the tuple goes: its later packets must not be steered by halves.
 */
export function refuseChain(mark: Mark, onFailure: string, verdict: Statement): Chain {
  const expr: Statement[] = [setMark({ ...mark, value: 0 }), counter(), verdict];
  return {
    name: REFUSE,
    rules: [...forgetFlow(), { comment: `on_failure ${onFailure}`, expr }],
  };
}

/**
 * A steered flow that has lost its route would leave by another one, untracked and so with its private
 * source address: the far end could not even answer. The interface alone would not tell, for the
 * uplink may be the clients' own; the next hop does.
 */
export function forwardChains({ value, mask }: Mark): Chain[] {
  const ours = equal({ '&': [META_MARK, mask] }, value);
  const nextHop = (family: Family): Expression => ({
    rt: { key: 'nexthop', family: ipProtocol(family) },
  });
  const toClients = equal({ meta: { key: 'oifname' } }, '@interfaces');
  return [
    {
      name: ONWARD,
      rules: [
        ...FAMILIES.map((family) => ({
          expr: [equal(nextHop(family), `@server${family}`), { return: null }],
        })),
        // With bridge-nf-call-iptables, frames that only cross the bridge come here too: not to our MAC.
        {
          expr: [toClients, notEqual(payload('ether', 'daddr'), '@router_macs'), { return: null }],
        },
        { comment: 'steered flow without a route', expr: [counter(), { drop: null }] },
      ],
    },
    {
      name: 'forward',
      hook: { type: 'filter', hook: 'forward', prio: FILTER_PRIORITY },
      rules: [{ expr: [ours, goto(ONWARD)] }],
    },
  ];
}
