/** The server's table: what was steered here is redirected to the program's port. */
import {
  counter,
  DADDR_TYPE,
  type Expression,
  equal,
  NOT_UNICAST,
  notEqual,
  type Table,
} from './json.js';
import { TABLE_NAME } from './router-table.js';

const DSTNAT_PRIORITY = -100;

export interface ServerTableInput {
  /** Interface on which steered packets arrive. */
  interface: string;
  /** Port of the program that asks for SO_ORIGINAL_DST. */
  port: number;
}

/**
 * Local destinations are not ours to touch; everything else that arrives was steered. `redirect`
 * makes the packet local, so `ip_forward` may stay 0.
 */
export function serverTable(input: ServerTableInput): Table {
  const iifname: Expression = { meta: { key: 'iifname' } };
  return {
    family: 'inet',
    name: TABLE_NAME,
    sets: [],
    chains: [
      {
        name: 'prerouting',
        hook: { type: 'nat', hook: 'prerouting', prio: DSTNAT_PRIORITY },
        rules: [
          { expr: [notEqual(iifname, input.interface), { return: null }] },
          { expr: [equal(DADDR_TYPE, NOT_UNICAST), { return: null }] },
          {
            comment: 'redirected',
            expr: [
              equal({ meta: { key: 'l4proto' } }, 'tcp'),
              counter(),
              { redirect: { port: input.port } },
            ],
          },
        ],
      },
    ],
  };
}
