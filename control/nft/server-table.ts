/** The server's table: what was steered here is handed to the program's port. */
import {
  type Chain,
  counter,
  DADDR_TYPE,
  type Expression,
  equal,
  NOT_UNICAST,
  notEqual,
  type Rule,
  type Statement,
  type Table,
} from './json.js';
import { TABLE_NAME } from './router-table.js';
import { type TproxyInput, tproxyChains } from './tproxy.js';

const DSTNAT_PRIORITY = -100;

export interface ServerTableInput {
  /** Interface on which steered packets arrive. */
  interface: string;
  /** Port of the program. */
  port: number;
  /** Absent: `redirect`, and the program asks for SO_ORIGINAL_DST. */
  tproxy?: TproxyInput;
}

export function serverTable({ interface: name, port, tproxy }: ServerTableInput): Table {
  const steered = notOurs(name);
  const chains = tproxy ? tproxyChains(steered, port, tproxy) : [redirectChain(steered, port)];
  return { family: 'inet', name: TABLE_NAME, sets: [], chains };
}

/** Local destinations are not ours to touch; everything else that arrives was steered. */
function notOurs(name: string): Rule[] {
  const iifname: Expression = { meta: { key: 'iifname' } };
  const leave: Statement = { return: null };
  return [
    { expr: [notEqual(iifname, name), leave] },
    { expr: [equal(DADDR_TYPE, NOT_UNICAST), leave] },
  ];
}

/** `redirect` makes the packet local, so `ip_forward` may stay 0. */
function redirectChain(steered: readonly Rule[], port: number): Chain {
  return {
    name: 'prerouting',
    hook: { type: 'nat', hook: 'prerouting', prio: DSTNAT_PRIORITY },
    rules: [
      ...steered,
      {
        comment: 'redirected',
        expr: [equal({ meta: { key: 'l4proto' } }, 'tcp'), counter(), { redirect: { port } }],
      },
    ],
  };
}
