/**
 * Packets that belong to no flow: of protocols other than TCP, and of TCP without its ports or flags.
 * Each is judged alone, and only `block` acts; where nothing blocks, none is looked at.
 */
import type { Policy, Rule as PolicyRule } from '../policy/rule.js';
import { blocksAnything, withUnseenPorts, withUnseenProtocol } from '../policy/unseen.js';
import { dhcpGuard, guardRules, laterFragmentGuards } from './guards.js';
import {
  type Chain,
  counter,
  type Expression,
  equal,
  goto,
  type NftSet,
  notEqual,
  type Rule,
  type Statement,
} from './json.js';
import { type CompiledRules, compileRules, only, type Verdicts } from './rules.js';

/** Chains, and what they refer to. */
export interface Part {
  chains: Chain[];
  sets: NftSet[];
}

const NOTHING: Part = { chains: [], sets: [] };
const FRAGMENTS = goto('fragments');
const leave: Statement = { return: null };
const l4proto: Expression = { meta: { key: 'l4proto' } };
const ALONE: Verdicts = { proxy: leave, direct: leave, block: { drop: null } };

export function defaultRule(verdict: Statement): Rule {
  return { comment: 'default', expr: [counter(), verdict] };
}

const aloneDefault = ({ default: last }: Policy) => defaultRule(ALONE[last]);

const isForOthers = ({ proto, action }: PolicyRule) => proto !== 'tcp' && action !== 'proxy';

function judgesOthers({ rules, default: last }: Policy): boolean {
  const blocks = (rule: PolicyRule) => isForOthers(rule) && rule.action === 'block';
  return last === 'block' || rules.some(blocks);
}

/** Chain `classify_other`. */
export function otherProtocols(policy: Policy): Part {
  if (!judgesOthers(policy)) return NOTHING;
  const compiled = compileRules(policy.rules, only(isForOthers), ALONE);
  const rules = [
    ...guardRules(leave),
    // Before a later fragment's data is taken for the ports of DHCP.
    ...laterFragmentGuards(FRAGMENTS),
    dhcpGuard(leave),
    ...compiled.rules,
    aloneDefault(policy),
  ];
  return { chains: [{ name: 'classify_other', rules }], sets: compiled.sets };
}

/** Chains `fragments`, whose guards are those of the chain that comes there, and `unseen`. */
export function unseenPackets(policy: Policy): Part {
  if (!blocksAnything(policy)) return NOTHING;
  const ports = compileRules(policy.rules, withUnseenPorts, ALONE);
  const protocol = compileRules(policy.rules, withUnseenProtocol, ALONE);
  const rulesOf = ({ rules }: CompiledRules) => [...rules, aloneDefault(policy)];
  const isTcp = equal(l4proto, 'tcp');
  const toFragments = { comment: 'guard:fragment', expr: [isTcp, counter(), FRAGMENTS] };
  return {
    chains: [
      { name: 'fragments', rules: rulesOf(ports) },
      { name: 'unseen', rules: [...guardRules(leave), toFragments, ...rulesOf(protocol)] },
    ],
    sets: [...ports.sets, ...protocol.sets],
  };
}

/** Where a TCP fragment goes that looks like the first packet of a flow; `pass` if none is blocked. */
export function fragmentVerdict(policy: Policy, pass: Statement): Statement {
  return blocksAnything(policy) ? FRAGMENTS : pass;
}

/**
 * The last rules of prerouting. What is TCP, has flags and comes here opens no flow. The flags are
 * read as three bytes, because nft takes these, and not one, for missing in a later fragment. What
 * has no protocol either is IPv6 whose headers do not end, or not here.
 */
export function alone(policy: Policy): Rule[] {
  if (!blocksAnything(policy)) return [];
  const flags: Expression = { payload: { base: 'th', offset: 96, len: 24 } };
  const others = judgesOthers(policy) ? goto('classify_other') : leave;
  return [
    { expr: [notEqual(l4proto, 'tcp'), others] },
    { expr: [{ match: { op: '>=', left: flags, right: 0 } }, leave] },
    { expr: [goto('unseen')] },
  ];
}
