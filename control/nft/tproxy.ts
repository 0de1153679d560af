/**
 * `capture: tproxy` as nft rules. Nothing is rewritten: packets keep their destination, are given to
 * the program's socket, and a mark makes the policy route deliver them here.
 */
import { FAMILIES, type Family } from './flow-time.js';
import { type Chain, counter, type Expression, equal, notEqual, type Rule } from './json.js';
import { type Mark, setMark } from './mark.js';

export interface TproxyInput {
  mark: Mark;
  /** Families that have a policy route; packets of others are left alone. */
  families: readonly Family[];
}

const RAW_PRIORITY = -300;
const MANGLE_PRIORITY = -150;
const TCP = equal({ meta: { key: 'l4proto' } }, 'tcp');
const NFPROTO: Expression = { meta: { key: 'nfproto' } };

/** Rules that return what was not steered here: where it is seen for the first time, and afterwards. */
interface Scope {
  first: readonly Rule[];
  steered: readonly Rule[];
}

export function tproxyChains(
  { first, steered }: Scope,
  port: number,
  { mark, families }: TproxyInput,
): Chain[] {
  const other = otherFamilies(families);
  return [
    {
      name: 'untrack',
      hook: { type: 'filter', hook: 'prerouting', prio: RAW_PRIORITY },
      rules: [...first, ...other, { expr: [TCP, { notrack: null }] }],
    },
    {
      name: 'divert',
      hook: { type: 'filter', hook: 'prerouting', prio: MANGLE_PRIORITY },
      rules: [...steered, ...other, ...divertRules(port, mark)],
    },
    {
      name: 'untrack_answers',
      hook: { type: 'filter', hook: 'output', prio: RAW_PRIORITY },
      rules: [untrackAnswers()],
    },
  ];
}

function otherFamilies(families: readonly Family[]): Rule[] {
  return FAMILIES.filter((family) => !families.includes(family)).map((family) => ({
    expr: [equal(NFPROTO, `ipv${family}`), { return: null }],
  }));
}

/**
 * `tproxy` looks for an established socket first and then for a listener, so one rule serves every
 * packet; without either it falls through, and the client is told at once, as it is by `redirect`.
 */
function divertRules(port: number, mark: Mark): Rule[] {
  return [
    {
      comment: 'diverted',
      expr: [TCP, { tproxy: { port } }, setMark(mark), counter(), { accept: null }],
    },
    { comment: 'nobody listens', expr: [TCP, counter(), { reject: { type: 'tcp reset' } }] },
  ];
}

/**
 * Only transparent sockets send from addresses that are not local. Conntrack, which never saw what
 * they answer, would call it INVALID or, worse, make an entry the wrong way round.
 */
function untrackAnswers(): Rule {
  const source: Expression = { fib: { result: 'type', flags: ['saddr'] } };
  return { expr: [TCP, notEqual(source, 'local'), { notrack: null }] };
}
