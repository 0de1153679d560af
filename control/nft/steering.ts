/** What happens to a flow that a rule proxies: entered, marked, hidden from conntrack, never leaked. */
import type { OnFailure } from '../config/on-failure.js';
import { admitFlow, FAILURE_COMMENT, forgetFlow } from './flow-table.js';
import { type FlowTarget, steerChainName } from './flow-target.js';
import { FAMILIES, type Family, ipProtocol } from './flow-time.js';
import { KEEP_SET } from './health-sets.js';
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
import { clearMarks, hasMark, type Mark, maskedMark, setMark } from './mark.js';

const FILTER_PRIORITY = 0;
const NFPROTO: Expression = { meta: { key: 'nfproto' } };
export const REFUSE = 'refuse';
/** What `status` calls live flows of a dead server that were reset, by packets. */
export const RESET_COMMENT = 'flow of a dead server';
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
export function steerChain({ number, mark, heartbeat }: FlowTarget): Chain {
  const hide: Statement[] = [{ notrack: null }, counter(), { accept: null }];
  const rules: Rule[] =
    heartbeat === undefined
      ? [{ comment: 'steered', expr: [setMark(mark), ...hide] }]
      : [resetRule(mark.mask, [setMark(mark)]), { comment: 'steered', expr: hide }];
  return { name: steerChainName(number), rules };
}

/**
 * Ends live flows of a server that was not heard for long: their clients connect anew at once. Here, and not
 * in `forward`, because a packet with no route left never comes there.
 */
export function resetRule(mask: number, before: readonly Statement[] = []): Rule {
  const isLost = notEqual(maskedMark(mask), `@${KEEP_SET}`);
  return { comment: RESET_COMMENT, expr: [...before, isLost, ...RESET] };
}

/**
 * Enters a new flow and steers it; `refuse` takes what cannot be handed over. Where there is one target, of which
 * nothing but its route is asked; choose.ts is for all others.
 */
export function admitChain(targets: readonly FlowTarget[], share: number): Chain {
  const chosen = FAMILIES.flatMap((family) => {
    const target = targets.find(({ families }) => families.includes(family));
    return target === undefined ? [] : [{ family, target }];
  });
  return {
    name: 'admit',
    rules: [
      ...probeRules(chosen),
      ...chosen.flatMap(({ family, target }) =>
        admitFlow(family, target, targets.length === 1, share),
      ),
      ...chosen.map(({ family }) => ({
        comment: FAILURE_COMMENT.full,
        expr: [equal(NFPROTO, `ipv${family}`), counter(), goto(REFUSE)],
      })),
      { comment: FAILURE_COMMENT.noServer, expr: [counter(), goto(REFUSE)] },
    ],
  };
}

type Choice = { family: Family; target: FlowTarget };

/** Rules of one family match it first, unless the target has that family's packets to itself. */
function probeRules(chosen: readonly Choice[]): Rule[] {
  const routeDevice: Expression = { fib: { result: 'oifname', flags: ['daddr', 'mark'] } };
  const targets = [...new Set(chosen.map(({ target }) => target))];
  return targets.flatMap((target): Rule[] => {
    const { mark, probe } = target;
    if (probe === undefined) return [];
    const families = chosen.filter((one) => one.target === target).map(({ family }) => family);
    const ask = setMark({ ...mark, value: probe.mark });
    return [
      ...(targets.length === 1
        ? [{ expr: [ask] }]
        : families.map((family) => ({ expr: [equal(NFPROTO, `ipv${family}`), ask] }))),
      ...families.flatMap((family) => {
        const device = probe.devices[family];
        if (device === undefined) return [];
        const match = [equal(NFPROTO, `ipv${family}`), notEqual(routeDevice, device)];
        return [{ comment: FAILURE_COMMENT.noRoute, expr: [...match, counter(), goto(REFUSE)] }];
      }),
    ];
  });
}

/**
 * What `on_failure` does with flows that cannot be handed over: the route to the server is gone,
 * the flow table is full, its client is over its share, or no server has an address of this family.
 * What is known of the tuple goes: its later packets must not be steered by halves.
 */
export function refuseChain(targets: readonly FlowTarget[], onFailure: OnFailure): Chain {
  const expr: Statement[] = [clearMarks(targets.map(({ mark }) => mark)), ...FATES[onFailure]];
  return {
    name: REFUSE,
    rules: [...forgetFlow(targets), { comment: onFailureComment(onFailure), expr }],
  };
}

export const onFailureComment = (onFailure: OnFailure) => `on_failure ${onFailure}`;

const RESET: Statement[] = [{ notrack: null }, counter(), { reject: { type: 'tcp reset' } }];

const FATES: Readonly<Record<OnFailure, Statement[]>> = {
  direct: [counter(), goto('direct')],
  block: [counter(), goto('block')],
  // What is no whole segment, and so has no answer, is dropped.
  reset: RESET,
};

/** Beside the eBPF classifier, which gives what it cannot hand over this mark. */
export const refusedRule = (mark: Mark): Rule => ({ expr: [hasMark(mark), ...RESET] });

/**
 * A steered flow that has lost its route would leave by another one, untracked and so with its private
 * source address: the far end could not even answer. The interface alone would not tell, for the
 * uplink may be the clients' own; the next hop does.
 */
export function forwardChains(marks: readonly Mark[]): Chain[] {
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
      rules: marks.map((mark) => ({ expr: [hasMark(mark), goto(ONWARD)] })),
    },
  ];
}
