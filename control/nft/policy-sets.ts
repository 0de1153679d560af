/** The policy compiled to rules and sets, which depends on no host. */
import { expandNat64 } from '../policy/nat64.js';
import type { Policy } from '../policy/rule.js';
import { admitChainName } from './flow-target.js';
import { goto, type NftSet } from './json.js';
import { otherProtocols, unseenPackets } from './other-packets.js';
import { compileRules, only, type Verdicts } from './rules.js';

/** What becomes of a TCP flow's first packet; the chains also keep the flow table. */
export const FIRST_PACKET: Verdicts = {
  proxy: goto(admitChainName(0)),
  proxyBy: (group) => goto(admitChainName(group)),
  direct: goto('direct'),
  block: goto('block'),
};

type Compiled = ReturnType<typeof compile>;

const compiled = new WeakMap<Policy, Compiled>();

/** Asked twice of each policy: for the question to the host, and for the table. */
export function compilePolicy(policy: Policy): Compiled {
  const made = compiled.get(policy) ?? compile(policy);
  compiled.set(policy, made);
  return made;
}

function compile(written: Policy) {
  // nft finds no IPv4 address inside of an IPv6 one: its sets hold the addresses around them.
  const policy = expandNat64(written);
  const tcp = compileRules(
    policy.rules,
    only(({ proto }) => proto !== 'udp'),
    FIRST_PACKET,
  );
  const other = otherProtocols(policy);
  const unseen = unseenPackets(policy);
  const sets = [tcp, other, unseen].flatMap((one) => one.sets);
  return {
    policy,
    tcp,
    other,
    unseen,
    sets: [...new Map(sets.map((set) => [set.name, set])).values()],
  };
}

/** The sets that the policy's rules look into. */
export const policySets = (policy: Policy): readonly NftSet[] => compilePolicy(policy).sets;
