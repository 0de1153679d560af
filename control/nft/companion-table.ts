/**
 * The router's table beside the eBPF classifier: what tc cannot do. The classifier has set the mark
 * before netfilter sees the packet; here steered flows and their answers are hidden from conntrack,
 * and the router is kept from telling clients of the server.
 */
import { macSet } from './elements.js';
import {
  type Chain,
  counter,
  type Expression,
  equal,
  notEqual,
  payload,
  type Rule,
  type Statement,
  type Table,
} from './json.js';
import { hasMark, type Mark } from './mark.js';
import {
  outputChain,
  RAW_PRIORITY,
  type ServerAddresses,
  serverSets,
  TABLE_NAME,
} from './router-table.js';
import { forwardChains } from './steering.js';

export interface CompanionTableInput {
  interfaces: readonly string[];
  routerMacs: readonly string[];
  serverMacs: readonly string[];
  serverAddresses: ServerAddresses;
  /** By which steered packets are known. */
  marks: readonly Mark[];
}

const HIDE: Statement[] = [{ notrack: null }, counter(), { accept: null }];

export function companionTable({
  interfaces,
  routerMacs,
  serverMacs,
  serverAddresses,
  marks,
}: CompanionTableInput): Table {
  return {
    family: 'inet',
    name: TABLE_NAME,
    sets: [
      { name: 'interfaces', type: 'ifname', elements: [...interfaces].sort() },
      macSet('router_macs', routerMacs),
      macSet('server_macs', serverMacs),
      ...serverSets(serverAddresses),
    ],
    chains: [preroutingChain(marks), ...forwardChains(marks), outputChain()],
  };
}

function preroutingChain(marks: readonly Mark[]): Chain {
  return {
    name: 'prerouting',
    hook: { type: 'filter', hook: 'prerouting', prio: RAW_PRIORITY },
    rules: [
      { expr: [notEqual({ meta: { key: 'iifname' } }, '@interfaces'), { return: null }] },
      ...marks.map((mark) => ({
        comment: 'steered by mark, not tracked',
        expr: [hasMark(mark), ...HIDE],
      })),
      answerRule(),
    ],
  };
}

/**
 * A server routes nothing for others: what it sends from an address to which no route leads back the
 * way it came answers a steered flow of a client in another subnet. Its own addresses, temporary
 * ones and those of a new prefix too, are on that link.
 */
function answerRule(): Rule {
  const routeBack: Expression = { fib: { result: 'oif', flags: ['saddr', 'iif'] } };
  return {
    comment: 'answer of a steered flow',
    expr: [
      equal(payload('ether', 'saddr'), '@server_macs'),
      equal({ meta: { key: 'l4proto' } }, 'tcp'),
      equal(routeBack, false),
      ...HIDE,
    ],
  };
}
