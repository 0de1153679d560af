/**
 * What holds live flows in the moment between the loss of their table and its repair. On the router their packets would leave with a
 * private source, or be masqueraded and draw a reset; on a server that redirects, the program's answers would come from its own port, and
 * draw one, too. A table of its own does it, which the watcher's process owns (`flags owner`): nobody else's `flush ruleset` takes it, and it
 * goes with that process. On the router it sees only packets in the middle of TCP flows that conntrack does not know, and those it drops for
 * three seconds; a direct flow whose entry was lost goes on after that.
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
/** Flows of one client that are held in a minute, once more for what refills; other clients' have the rest of the room. */
const CLIENT_SHARE = 4096;
const MOST_CLIENTS = 65536;

/** As text, since nft's JSON has no owner. Empty where nothing is to be held: `capture: tproxy` translates nothing. */
export function holdText(table: Table): string {
  const parts = [translatedText(table), clientsText(table)].join('');
  return parts && `table inet ${HOLD_TABLE} {\n  flags owner\n${parts}}\n`;
}

/**
 * Where there is a chain of type nat the kernel goes on to translate the flows that it has translated so far; but only as long as conntrack
 * finds them, which it stops with the last rule that asks for it. So the chain has one, which changes nothing.
 */
function translatedText({ chains, sets }: Table): string {
  if (!chains.some(({ hook }) => hook?.type === 'nat') && !holdsFlows(sets)) return '';
  return `  chain translated {
    type nat hook prerouting priority ${NAT_PRIORITY}; policy accept;
    ct state new accept
  }
`;
}

const holdsFlows = (sets: Table['sets']) => sets.some(({ name }) => name === 'flows4');

/** Nothing of a table that holds no flows. */
function clientsText({ sets }: Table): string {
  const interfaces = sets.find(({ name }) => name === 'interfaces')?.elements ?? [];
  if (interfaces.length === 0 || !holdsFlows(sets)) return '';
  const names = interfaces.map((name) => `"${String(name)}"`).join(', ');
  return `${FAMILIES.flatMap((family) => [
    set('holding', family, HELD_SECONDS),
    set('held', family, KNOWN_SECONDS),
    shareSet(family),
  ]).join('')}  chain prerouting {
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

/** Kept for longer than a bucket needs to refill. */
const shareSet = (family: Family) =>
  `  set share${family} { type ipv${family}_addr; flags dynamic, timeout; timeout ${2 * KNOWN_SECONDS}s; size ${MOST_CLIENTS}; }\n`;

function rules(family: Family): string {
  const ip = ipProtocol(family);
  const tuple = `${ip} saddr . tcp sport . ${ip} daddr . tcp dport`;
  return `    ${tuple} @holding${family} drop
    ${tuple} @held${family} return
    update @share${family} { ${ip} saddr limit rate ${CLIENT_SHARE}/minute burst ${CLIENT_SHARE} packets } add @held${family} { ${tuple} } add @holding${family} { ${tuple} } drop
`;
}
