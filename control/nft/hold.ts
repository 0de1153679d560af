/**
 * What holds live flows in the moment between the loss of their table and its repair. On the router their packets would leave with a
 * private source, or be masqueraded and draw a reset; on a server the program's answers would come from its own port, and draw one, too. A table of its own does it, which the watcher's process owns (`flags owner`): nobody else's `flush
 * ruleset` takes it, and it goes with that process. On the router it sees only packets in the middle of TCP flows that conntrack does not know, and
 * those it drops for three seconds; a direct flow whose entry was lost goes on after that.
 */
import { FAMILIES, ipProtocol } from './flow-time.js';
import type { Table } from './json.js';

export const HOLD_TABLE = 'sidetrack_hold';

/** Behind what takes flows in again (adoption.ts). */
const PRIORITY = -197;
/** Behind everybody's. */
const NAT_PRIORITY = -90;
const HELD_SECONDS = 3;
/** It is not held a second time before that. */
const KNOWN_SECONDS = 60;
const ROOM = 65536;

/**
 * As text, since nft's JSON has no owner. The chain of type nat has no rules: where there is any such chain the kernel goes on to translate
 * the flows that it has translated so far.
 */
export function holdText(table: Table): string {
  return `table inet ${HOLD_TABLE} {
  flags owner
  chain translated { type nat hook prerouting priority ${NAT_PRIORITY}; policy accept; }
${clientsText(table)}}
`;
}

/** Nothing of a table that holds no flows. */
function clientsText({ sets }: Table): string {
  const interfaces = sets.find(({ name }) => name === 'interfaces')?.elements ?? [];
  if (interfaces.length === 0 || !sets.some(({ name }) => name === 'flows4')) return '';
  const names = interfaces.map((name) => `"${String(name)}"`).join(', ');
  return `${FAMILIES.flatMap((family) => [set('holding', family, HELD_SECONDS), set('held', family, KNOWN_SECONDS)]).join('')}  chain prerouting {
    type filter hook prerouting priority ${PRIORITY}; policy accept;
    ct state != new return
    iifname != { ${names} } return
    meta l4proto != tcp return
    tcp flags & (syn | rst) != 0 return
${FAMILIES.map(rules).join('')}  }
`;
}

type Family = (typeof FAMILIES)[number];

function set(name: string, family: Family, seconds: number): string {
  const address = `ipv${family}_addr`;
  const type = `${address} . inet_service . ${address} . inet_service`;
  return `  set ${name}${family} { type ${type}; flags dynamic, timeout; timeout ${seconds}s; size ${ROOM}; }\n`;
}

function rules(family: Family): string {
  const ip = ipProtocol(family);
  const tuple = `${ip} saddr . tcp sport . ${ip} daddr . tcp dport`;
  return `    ${tuple} @holding${family} drop
    ${tuple} @held${family} return
    meta nfproto ipv${family} add @held${family} { ${tuple} } add @holding${family} { ${tuple} } drop
`;
}
