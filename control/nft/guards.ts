/** What no rule can override: policy/guard.ts as nft rules. */
import {
  counter,
  DADDR_TYPE,
  type Expression,
  equal,
  NOT_UNICAST,
  notEqual,
  payload,
  type Rule,
  type Statement,
} from './json.js';

/**
 * The guards that no rule can override. MACs and addresses of servers are guarded in prerouting.
 * Link-local and multicast cover ND, RA and MLD; the unspecified source and the ports cover DHCP.
 */
export function guardRules(pass: Statement): Rule[] {
  const guard = (name: string, match: Statement) => guardRule(name, match, pass);
  const prefix = (addr: string, len: number): Expression => ({ prefix: { addr, len } });
  return [
    guard('local', equal(DADDR_TYPE, NOT_UNICAST)),
    guard('server', equal(payload('ip', 'daddr'), '@server4')),
    guard('server', equal(payload('ip6', 'daddr'), '@server6')),
    guard('link-local', equal(payload('ip', 'daddr'), prefix('169.254.0.0', 16))),
    guard('link-local', equal(payload('ip', 'saddr'), prefix('169.254.0.0', 16))),
    guard('link-local', equal(payload('ip6', 'daddr'), prefix('fe80::', 10))),
    guard('link-local', equal(payload('ip6', 'saddr'), prefix('fe80::', 10))),
    // As a destination 0.0.0.0 is a broadcast to the routing table, and so guarded above.
    guard('unspecified', equal(payload('ip', 'saddr'), '0.0.0.0')),
    guard('unspecified', equal(payload('ip6', 'saddr'), '::')),
    guard('unspecified', equal(payload('ip6', 'daddr'), '::')),
  ];
}

/**
 * Where conntrack runs, it has put fragments together before this table sees them. Elsewhere only
 * the first one has ports: the others could not follow it to the server, or, since nft reads a later
 * IPv4 fragment's data as if it were the header (measured on Linux 6.18), would go there by accident.
 */
export function fragmentGuards(pass: Statement): Rule[] {
  const offsetOrMore: Expression = { '&': [payload('ip', 'frag-off'), 0x3fff] };
  return [notEqual(offsetOrMore, 0), equal({ exthdr: { name: 'frag' } }, true)].map((match) =>
    guardRule('fragment', match, pass),
  );
}

export function dhcpGuard(pass: Statement): Rule {
  const ports = { set: [67, 68, 546, 547] };
  return guardRule('dhcp', equal(payload('udp', 'dport'), ports), pass);
}

function guardRule(name: string, match: Statement, pass: Statement): Rule {
  return { comment: `guard:${name}`, expr: [match, counter(), pass] };
}
