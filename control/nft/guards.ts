/** What no rule can override: policy/guard.ts as nft rules. */
import { formatAddress } from '../config/address.js';
import { EMBEDDED_V4 } from '../policy/guard.js';
import type { Policy } from '../policy/rule.js';
import { addressSet } from './elements.js';
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
 * `guard:embedded-v4`, of all packets and not only of first ones. The first ten bytes are compared
 * alone, since that costs other packets less than a look into the set.
 */
export function embeddedV4Guards(): Rule[] {
  const embedded = { set: addressSet('', 6, EMBEDDED_V4)!.elements! };
  return ['daddr', 'saddr'].map((field) => ({
    comment: 'guard:embedded-v4',
    expr: [
      equal(payload('ip6', field), { prefix: { addr: '::', len: 80 } }),
      equal(payload('ip6', field), embedded),
      counter(),
      { drop: null },
    ],
  }));
}

/** Below prefixes shorter than /96 bits 64 to 71 are zero, or no translator knows the address. */
export function nat64Guards(prefixes: Policy['nat64'] = []): Rule[] {
  const reserved: Expression = { payload: { base: 'nh', offset: 8 * 24 + 64, len: 8 } };
  return prefixes
    .filter(({ length }) => length < 96)
    .map(({ address, length }) => {
      const below = { prefix: { addr: formatAddress(address), len: length } };
      const match = [equal(payload('ip6', 'daddr'), below), notEqual(reserved, 0)];
      return { comment: 'guard:embedded-v4', expr: [...match, counter(), { drop: null }] };
    });
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

/** The same for fragments without ports alone. */
export function laterFragmentGuards(pass: Statement): Rule[] {
  const offset: Expression = { '&': [payload('ip', 'frag-off'), 0x1fff] };
  const offset6: Expression = { exthdr: { name: 'frag', field: 'frag-off' } };
  return [offset, offset6].map((part) => guardRule('fragment', notEqual(part, 0), pass));
}

export function dhcpGuard(pass: Statement): Rule {
  const ports = { set: [67, 68, 546, 547] };
  return guardRule('dhcp', equal(payload('udp', 'dport'), ports), pass);
}

function guardRule(name: string, match: Statement, pass: Statement): Rule {
  return { comment: `guard:${name}`, expr: [match, counter(), pass] };
}
