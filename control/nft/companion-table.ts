/**
 * The router's table beside the eBPF classifier: what tc cannot do. The classifier has set the mark
 * before netfilter sees the packet; here steered flows and their answers are hidden from conntrack,
 * and the router is kept from telling clients of the server.
 */
import { macSet } from './elements.js';
import { beating, type FlowTarget, steerChainName } from './flow-target.js';
import { type HealthParameters, keepSet, macsOf, macsSet } from './health-sets.js';
import { heartbeatChains, inputChain, ownResetsChain, takeHeartbeat } from './heartbeats.js';
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
  type Table,
} from './json.js';
import { hasMark, type Mark } from './mark.js';
import {
  elsewhereChain,
  leaveOrGo,
  otherInterfaces,
  outputChain,
  RAW_PRIORITY,
  type ServerAddresses,
  serverSets,
  TABLE_NAME,
} from './router-table.js';
import { forwardChains, refusedRule, resetRule } from './steering.js';

export interface CompanionTableInput {
  interfaces: readonly string[];
  routerMacs: readonly string[];
  serverMacs: readonly string[];
  serverAddresses: ServerAddresses;
  /** By whose marks steered packets are known. */
  targets: readonly FlowTarget[];
  /** Of packets that are answered with a reset, because they cannot be handed over. */
  resetMark?: Mark;
  /** Absent where no target has a heartbeat. */
  health?: HealthParameters;
  /** Interfaces that lead to servers, whether clients are there or not. */
  serverInterfaces?: readonly string[];
}

const HIDDEN = 'steered by mark, not tracked';
const HIDE: Statement[] = [{ notrack: null }, counter(), { accept: null }];

export function companionTable(input: CompanionTableInput): Table {
  const { interfaces, routerMacs, serverMacs, serverAddresses, targets, health, resetMark } = input;
  const others = otherInterfaces(input);
  const listening = health !== undefined && beating(targets).length > 0 ? health : undefined;
  return {
    family: 'inet',
    name: TABLE_NAME,
    sets: [
      { name: 'interfaces', type: 'ifname', elements: [...interfaces].sort() },
      macSet('router_macs', routerMacs),
      macsSet(targets, serverMacs),
      ...serverSets(serverAddresses),
      ...(listening === undefined ? [] : [keepSet(targets)]),
    ],
    chains: [
      ...(listening === undefined ? [] : healthChains(input, listening, others)),
      ...(listening || resetMark ? [ownResetsChain(RAW_PRIORITY)] : []),
      preroutingChain(input, listening, others),
      ...forwardChains(targets.map(({ mark }) => mark)),
      outputChain(),
    ],
  };
}

/**
 * The program hands on heartbeats that it has found authentic, and drops others from a server's address. They say
 * here of which servers live flows are steered on: what it does not steer any more it leaves to these rules, by mark.
 */
function healthChains(
  { interfaces, targets }: CompanionTableInput,
  health: HealthParameters,
  others: readonly string[],
): Chain[] {
  return [
    ...heartbeatChains(targets, health, false),
    ...beating(targets).map(({ number, mark }) => ({
      name: steerChainName(number),
      rules: [resetRule(mark.mask), { comment: HIDDEN, expr: HIDE }],
    })),
    ...elsewhereChain(others, ...takeFromServers(health)),
    inputChain([...interfaces, ...others], health, RAW_PRIORITY),
  ];
}

/** Others' packets to the port may be answers to masqueraded clients: only those that stay are for `input`. */
function takeFromServers(health: HealthParameters): Rule[] {
  const { expr } = takeHeartbeat(health);
  return [
    { expr: [equal(payload('ip', 'saddr'), '@server4'), ...expr] },
    { expr: [equal(payload('ip6', 'saddr'), '@server6'), ...expr] },
  ];
}

function preroutingChain(
  { targets, resetMark }: CompanionTableInput,
  health: HealthParameters | undefined,
  others: readonly string[],
): Chain {
  return {
    name: 'prerouting',
    hook: { type: 'filter', hook: 'prerouting', prio: RAW_PRIORITY },
    rules: [
      { expr: [notEqual({ meta: { key: 'iifname' } }, '@interfaces'), leaveOrGo(health, others)] },
      ...targets.map(({ number, mark, heartbeat }) =>
        heartbeat === undefined || health === undefined
          ? { comment: HIDDEN, expr: [hasMark(mark), ...HIDE] }
          : { expr: [hasMark(mark), goto(steerChainName(number))] },
      ),
      ...(resetMark === undefined ? [] : [refusedRule(resetMark)]),
      answerRule(macsOf(targets)),
      ...(health === undefined ? [] : takeFromServers(health)),
    ],
  };
}

/**
 * A server routes nothing for others: what it sends from an address to which no route leads back the
 * way it came answers a steered flow of a client in another subnet. Its own addresses, temporary
 * ones and those of a new prefix too, are on that link.
 */
function answerRule(macs: string): Rule {
  const routeBack: Expression = { fib: { result: 'oif', flags: ['saddr', 'iif'] } };
  return {
    comment: 'answer of a steered flow',
    expr: [
      equal(payload('ether', 'saddr'), `@${macs}`),
      equal({ meta: { key: 'l4proto' } }, 'tcp'),
      equal(routeBack, false),
      ...HIDE,
    ],
  };
}
