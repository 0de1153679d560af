/**
 * What takes in the live flows of a table that was lost, for some minutes after it is made again: the sets of flows are empty then, and
 * packets in the middle of a flow are no first ones. `whole-table.ts` puts it beside the table; no apply makes it.
 *
 * It runs behind conntrack, which has followed direct flows all the time: to it a steered flow's packet is the first of a
 * new one, since it never saw the flow. Answers that pass this router (clients of another subnet) may have made an entry the wrong
 * way round while the table was gone; so what a server answers is noted, and its flow is taken in whatever conntrack says.
 * The rules judge the packet as they would a first one, and the choice of servers is the same again. That packet
 * itself is dropped, and the client sends it again: conntrack holds it, and may have a translation for it.
 */
import { FAMILIES, ipProtocol } from './flow-time.js';
import { LEARNED_MACS } from './health-sets.js';
import {
  type Chain,
  type Expression,
  equal,
  goto,
  type NftSet,
  notEqual,
  payload,
  type Rule,
  type Statement,
  type Table,
} from './json.js';
import type { TableObjects } from './transaction.js';

/** Names of what is there for some minutes. */
export const ADOPTION: TableObjects = {
  sets: ['adopting', 'answered4', 'answered6'],
  chains: ['adopt', 'adopted'],
};

/**
 * The protocol that is taken in for good. By a name of its own: the kernel gives no set another kind, and the end of those minutes,
 * which takes `adopting` away, then leaves the chains alone.
 */
const STANDING = 'taking_over';

/** An idle flow shows itself in this time, or is lost. */
export const ADOPTION_SECONDS = 300;

/** Conntrack has seen the packet by then, and nothing has been rewritten yet. */
const BEHIND_CONNTRACK = -199;
const ROOM = 65536;
const leave: Statement = { return: null };

/** Table with what takes in live flows for good: `router.takes_over`. */
export function withAdoption(table: Table): Table {
  const { sets, chains } = adoption(table, true);
  return { ...table, sets: [...table.sets, ...sets], chains: [...table.chains, ...chains] };
}

/** The chains and sets; nothing of a table that holds no flows. The protocol in set `adopting` has the time-out. */
export function adoption(
  { chains, sets }: Table,
  isStanding = false,
): Pick<Table, 'sets' | 'chains'> {
  const forward = chains.find(({ name }) => name === 'forward');
  if (!sets.some(({ name }) => name === 'flows4') || forward === undefined)
    return { sets: [], chains: [] };
  const learns = sets.some(({ name }) => name === LEARNED_MACS);
  return {
    sets: [
      isStanding
        ? { name: STANDING, type: 'inet_proto', elements: ['tcp'] }
        : {
            name: 'adopting',
            type: 'inet_proto',
            flags: ['timeout'],
            elements: [ADOPTED_PROTOCOL],
          },
      ...FAMILIES.map((family): NftSet => {
        const address = `ipv${family}_addr`;
        const type = [address, 'inet_service', address, 'inet_service'];
        const name = `answered${family}`;
        return { name, type, flags: ['timeout'], size: ROOM, timeout: ADOPTION_SECONDS };
      }),
    ],
    chains: [
      adoptChain(learns ? LEARNED_MACS : 'server_macs', isStanding ? STANDING : 'adopting'),
      {
        name: 'adopted',
        hook: { type: 'filter', hook: 'prerouting', prio: BEHIND_CONNTRACK + 1 },
        // The marks are those by which steered packets are known in `forward`.
        rules: forward.rules.map(({ expr: [isMarked] }) => ({
          expr: [isMarked!, notEqual(CT_STATE, 'untracked'), { drop: null }],
        })),
      },
    ],
  };
}

const ADOPTED_PROTOCOL: Expression = { elem: { val: 'tcp', timeout: ADOPTION_SECONDS } };
const CT_STATE: Expression = { ct: { key: 'state' } };

function adoptChain(macs: string, protocols: string): Chain {
  const isServer = equal(payload('ether', 'saddr'), `@${macs}`);
  const opensOrEnds = notEqual({ '&': [payload('tcp', 'flags'), ['syn', 'rst']] }, 0);
  const isAnswered = FAMILIES.map(
    (family): Rule => ({ expr: [equal(tuple(family), `@answered${family}`), goto('classify')] }),
  );
  const isNew: Statement = { match: { op: 'in', left: CT_STATE, right: 'new' } };
  return {
    name: 'adopt',
    hook: { type: 'filter', hook: 'prerouting', prio: BEHIND_CONNTRACK },
    rules: [
      { expr: [notEqual({ meta: { key: 'l4proto' } }, `@${protocols}`), leave] },
      { expr: [{ match: { op: 'in', left: CT_STATE, right: 'untracked' } }, leave] },
      { expr: [opensOrEnds, leave] },
      ...FAMILIES.map((family) => ({ expr: [isServer, notOwn(family), noteAnswer(family)] })),
      { expr: [isServer, leave] },
      ...FAMILIES.map((family) => ({
        expr: [equal(payload(ipProtocol(family), 'saddr'), `@server${family}`), leave],
      })),
      { expr: [notEqual({ meta: { key: 'iifname' } }, '@interfaces'), leave] },
      ...isAnswered,
      { expr: [isNew, goto('classify')] },
    ],
  };
}

type Family = (typeof FAMILIES)[number];

const notOwn = (family: Family) =>
  notEqual(payload(ipProtocol(family), 'saddr'), `@server${family}`);

function tuple(family: Family): Expression {
  const ip = ipProtocol(family);
  const dport = payload('tcp', 'dport');
  return {
    concat: [payload(ip, 'saddr'), payload('tcp', 'sport'), payload(ip, 'daddr'), dport],
  };
}

/** By the flow's key as its client sends it. */
function noteAnswer(family: Family): Statement {
  const ip = ipProtocol(family);
  const client = [payload(ip, 'daddr'), payload('tcp', 'dport')];
  const elem = { concat: [...client, payload(ip, 'saddr'), payload('tcp', 'sport')] };
  return { set: { op: 'update', elem, set: `@answered${family}` } };
}
